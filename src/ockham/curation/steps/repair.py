"""Repairs of a text: broken encoding, leftovers of HTML, control characters.

They are called on suspects alone (`ockham.curation.kernels.repair_flags`), because ftfy reads a few megabytes a second.
"""

from __future__ import annotations

import html
import re
import unicodedata

# Tags that pages are made of. Two different ones or a closing one are needed, so that "a <b c> d" stays as it is.
_TAG = re.compile(
    r"<(/?)(p|div|br|span|a|li|ul|ol|table|tbody|thead|tr|td|th|h[1-6]|script|style|html|body|head|title|meta|link|"
    r"b|i|em|strong|img|blockquote|hr|font|center|article|section|header|footer|nav)\b[^<>]{0,2000}>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,20}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_BLOCKS = "p,div,br,li,tr,h1,h2,h3,h4,h5,h6,blockquote,table,ul,ol,hr,section,article,header,footer"
_BLANKS = re.compile(r"[ \t\xa0]+")
_SPACES = re.compile(r" ?\n ?")
_GAPS = re.compile(r"\n{3,}")
# Controls but tab and newline, and what cannot be seen and joins nothing. Direction marks and joiners carry meaning in
# some scripts and stay.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2060\ufeff]")


def encoding(text: str) -> str:
    """Mend text that was decoded with the wrong encoding ("schÃ¶n"); other text comes back as it was (ftfy)."""
    import ftfy

    mended: str = ftfy.fix_encoding(text)
    return mended


def markup(text: str) -> str:
    """Take tags out where a text is a page or a piece of one, and turn entities into their characters."""
    tags = _TAG.findall(text) if "<" in text else []
    names = {name.lower() for _, name in tags}
    if len(tags) >= 2 and (len(names) > 1 or any(slash for slash, _ in tags)):
        text = _without_tags(text)
    elif "&" in text and _ENTITY.search(text):
        text = html.unescape(text)
    return text.replace("\xa0", " ")


def characters(text: str) -> str:
    r"""Compose characters (NFC), make line ends ``\n``, and take out controls and zero-width blanks."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _UNWANTED.sub("", text)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _without_tags(text: str) -> str:
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(text)
    page.strip_tags(["script", "style", "noscript", "template", "head"])
    for block in page.css(_BLOCKS):
        block.insert_before("\n")
        block.insert_after("\n")
    body = page.body
    plain = (body.text() if body is not None else "").replace("\r", "\n")
    plain = _SPACES.sub("\n", _BLANKS.sub(" ", plain))
    return _GAPS.sub("\n\n", plain).strip()
