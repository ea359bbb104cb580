"""Data files that ship with dedup; see README.md here."""
