/* LD_PRELOAD: lets the n-th call of some kinds on files below a folder fail, or the process die in its place.

   shim_arm says which; shim_calls says how many there were; shim_trace names each on a file descriptor. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[4096];
static int armed, trace = -1, action, every, no_exchange;
static long at, calls;

/* action: an errno, or -1 to die; every: fail this and each so-manieth call after it, 0 for once */
void shim_arm(const char *folder, long nth, int act, int again, int without_exchange, int trace_fd) {
    snprintf(root, sizeof root, "%s", folder);
    at = nth, action = act, every = again, no_exchange = without_exchange, trace = trace_fd;
    calls = 0;
    armed = 1;
}

void shim_disarm(void) { armed = 0; }
long shim_calls(void) { return calls; }

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t real_write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, data, size);
}

static void of_fd(int fd, char *path, size_t size) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, size - 1);
    path[n < 0 ? 0 : n] = 0;
}

static void of_at(int fd, const char *path, char *whole, size_t size) {
    if (path[0] == '/' || fd == AT_FDCWD) {
        snprintf(whole, size, "%s", path);
        return;
    }
    of_fd(fd, whole, size);
    size_t n = strlen(whole);
    snprintf(whole + n, size - n, "/%s", path);
}

/* 0: go on; 1: fail with errno set; 2: die */
static int hit(const char *kind, const char *path) {
    if (!armed || strncmp(path, root, strlen(root)) != 0) return 0;
    long place = calls++;
    if (trace >= 0) {
        char line[4400];
        int n = snprintf(line, sizeof line, "%s %s\n", kind, path + strlen(root));
        real_write(trace, line, n);
    }
    if (at < 0 || place < at) return 0;
    if (place > at && (every == 0 || (place - at) % every != 0)) return 0;
    if (action < 0) return 2;
    errno = action;
    return 1;
}

static void die(void) { kill(getpid(), SIGKILL); pause(); }

#define BY_PATH(kind, path) \
    do { int saved = errno; int h = hit(kind, path); if (h == 2) die(); if (h == 1) return -1; errno = saved; } while (0)
#define BY_FD(kind, fd) \
    do { char p[4200]; int saved = errno; of_fd(fd, p, sizeof p); int h = hit(kind, p); \
         if (h == 2) die(); if (h == 1) return -1; errno = saved; } while (0)
#define BY_AT(kind, fd, path) \
    do { char p[8400]; of_at(fd, path, p, sizeof p); BY_PATH(kind, p); } while (0)

#define MODE int mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list l; va_start(l, flags); mode = va_arg(l, int); va_end(l); }

int open(const char *path, int flags, ...) { MODE BY_PATH("open", path); REAL(int, "open", const char *, int, ...); return real(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE BY_PATH("open", path); REAL(int, "open64", const char *, int, ...); return real(path, flags, mode); }
int openat(int fd, const char *path, int flags, ...) { MODE BY_AT("open", fd, path); REAL(int, "openat", int, const char *, int, ...); return real(fd, path, flags, mode); }
int openat64(int fd, const char *path, int flags, ...) { MODE BY_AT("open", fd, path); REAL(int, "openat64", int, const char *, int, ...); return real(fd, path, flags, mode); }

ssize_t write(int fd, const void *data, size_t size) {
    char p[4200];
    int saved = errno;
    of_fd(fd, p, sizeof p);
    int h = hit("write", p);
    if (h == 2) { real_write(fd, data, size / 2); die(); } /* torn */
    if (h == 1) return -1;
    errno = saved;
    return real_write(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place) { BY_FD("pwrite", fd); REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t); return real(fd, data, size, place); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t place) { BY_FD("pwrite", fd); REAL(ssize_t, "pwrite", int, const void *, size_t, off_t); return real(fd, data, size, place); }
int ftruncate64(int fd, off64_t size) { BY_FD("ftruncate", fd); REAL(int, "ftruncate64", int, off64_t); return real(fd, size); }
int ftruncate(int fd, off_t size) { BY_FD("ftruncate", fd); REAL(int, "ftruncate", int, off_t); return real(fd, size); }
int fsync(int fd) { BY_FD("fsync", fd); REAL(int, "fsync", int); return real(fd); }
int mkdir(const char *path, mode_t mode) { BY_PATH("mkdir", path); REAL(int, "mkdir", const char *, mode_t); return real(path, mode); }
int unlink(const char *path) { BY_PATH("unlink", path); REAL(int, "unlink", const char *); return real(path); }
int unlinkat(int fd, const char *path, int flags) { BY_AT("unlink", fd, path); REAL(int, "unlinkat", int, const char *, int); return real(fd, path, flags); }
int rmdir(const char *path) { BY_PATH("rmdir", path); REAL(int, "rmdir", const char *); return real(path); }
int rename(const char *a, const char *b) { BY_PATH("rename", a); REAL(int, "rename", const char *, const char *); return real(a, b); }
int renameat2(int fd, const char *a, int to, const char *b, unsigned flags) {
    if (armed && no_exchange) { errno = EINVAL; return -1; }
    BY_AT("renameat2", fd, a);
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    return real(fd, a, to, b, flags);
}

int posix_fallocate64(int fd, off64_t from, off64_t size) {
    char p[4200];
    of_fd(fd, p, sizeof p);
    int h = hit("fallocate", p);
    if (h == 2) die();
    if (h == 1) return errno;
    REAL(int, "posix_fallocate64", int, off64_t, off64_t);
    return real(fd, from, size);
}
int posix_fallocate(int fd, off_t from, off_t size) { return posix_fallocate64(fd, from, size); }
