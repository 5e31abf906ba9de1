"""Receipts and delivery notes made by rules of our own, as a scanner would read them: a text of lines, and its fields.

Totals repeat (subtotal, cash, rounding, a tax table), dates have eighteen forms, addresses go over one to five lines,
most names are made up and stand in one document alone, labels and their amounts stand on one line, on several, or in
columns that are read one after the other, words are broken, and single characters are read wrongly. Everything follows
from the seed. Nothing is taken from real documents.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Sequence
from datetime import date, timedelta

NAMES = (
    "ALPINE", "BRIGHT", "CEDAR", "DELTA", "EASTERN", "FAIRWAY", "GOLDEN", "HARBOUR", "INDIGO", "JUBILEE", "KESTREL",
    "LOTUS", "MERIDIAN", "NORTHGATE", "ORCHID", "PACIFIC", "QUARRY", "RIVERSIDE", "SUMMIT", "TAMARIND", "UNION",
    "VALLEY", "WILLOW", "YEW TREE", "ZENITH", "HUA SENG", "LIM BROTHERS", "BAKER & SONS", "S.K. TAN",
    "OLD MILL", "ROYAL", "STAR",
    "PRIMA", "MEGA", "FRESH", "SRI MUDA", "TONG LEE", "AMANAH", "KIM HOCK", "PERDANA", "WARISAN", "LUCKY 88", "B & K",
)  # fmt: skip
TRADES = (
    "TRADING", "HARDWARE", "RESTAURANT", "BOOKSHOP", "PHARMACY", "MINI MARKET", "STATIONERY", "AUTO PARTS", "BAKERY",
    "ENTERPRISE", "SUPPLIES", "CAFE", "ELECTRICAL", "GIFT & DECO", "GROCER", "OPTICAL", "PET CARE", "FURNITURE",
    "SEAFOOD", "PRINTING", "TYRE & BATTERY", "NASI KANDAR", "KOPITIAM", "BOOK STORES", "DIY", "PETROLEUM", "CLINIC",
)  # fmt: skip
ENDINGS = (
    "SDN BHD",
    "SDN. BHD.",
    "SDN.BHD.",
    "LTD",
    "LTD.",
    "(M) SDN BHD",
    "& CO",
    "PTE LTD",
    "ENTERPRISE",
    "",
    "",
    "PLT",
)
STREETS = (
    "JALAN MAWAR", "JALAN TUN RAZAK", "JLN SS 2", "JALAN PERMAI", "LORONG KENARI", "JALAN INDAH 3", "PERSIARAN RIA",
    "JALAN BANGSAR", "MILL LANE", "HIGH STREET", "JLN KUCHAI LAMA", "JALAN SAGU", "JALAN DATO' ONN", "OXFORD ROAD",
    "JALAN PJU 7", "STATION ROAD", "JALAN CERMAI", "LEBUH AMPANG", "JALAN BUKIT BINTANG", "JALAN SUNGAI BESI",
)  # fmt: skip
AREAS = (
    "TAMAN DAYA", "TAMAN MEGAH", "BANDAR BARU", "SEKSYEN 14", "KUCHAI ENTREPRENEURS PARK", "PUSAT BANDAR", "TAMAN JAYA",
    "MUTIARA DAMANSARA", "KAWASAN PERINDUSTRIAN", "DESA PARK", "TAMAN UNIVERSITI", "BANDAR PUTERI", "TAMAN CONNAUGHT",
)  # fmt: skip
TOWNS = (
    ("KUALA LUMPUR", ""), ("JOHOR BAHRU", "JOHOR"), ("PETALING JAYA", "SELANGOR"), ("SHAH ALAM", "SELANGOR"),
    ("IPOH", "PERAK"), ("KLANG", "SELANGOR"), ("GEORGETOWN", "PENANG"), ("SEREMBAN", "NEGERI SEMBILAN"),
    ("KAJANG", "SELANGOR DARUL EHSAN"), ("PUCHONG", "SELANGOR"), ("MELAKA", ""), ("AMPANG", "SELANGOR"),
)  # fmt: skip
GOODS = (
    "KOPI O", "NASI LEMAK", "TEH TARIK", "A4 PAPER 80GSM", "GLUE STICK", "LED BULB 9W", "SCREW 2IN", "PVC TAPE",
    "WHITE BREAD", "FRESH MILK 1L", "EGGS 10S", "CHICKEN RICE", "MINERAL WATER", "BATTERY AA", "ENGINE OIL 4L",
    "NOTEBOOK",
    "HAND SOAP", "CAT FOOD 7KG", "PAINT BRUSH", "CABLE 3M", "ICED LEMON TEA", "FISH FILLET", "MARKER PEN",
    "PLASTIC BAG",
    "ROTI CANAI", "ORANGE JUICE", "USB DRIVE 16GB", "GARDEN HOSE", "SOY SAUCE", "TOWEL", "CHOC CAKE", "HAIR CLIP",
)  # fmt: skip
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DATE_STYLES: Sequence[Callable[[date], str]] = (
    lambda d: d.strftime("%d/%m/%Y"), lambda d: d.strftime("%d/%m/%Y"), lambda d: d.strftime("%d/%m/%y"),
    lambda d: d.strftime("%d-%m-%Y"), lambda d: d.strftime("%d-%m-%y"), lambda d: d.strftime("%Y-%m-%d"),
    lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{d.day:02d}-{MONTHS[d.month - 1].title()}-{d.year}",
    lambda d: d.strftime("%d.%m.%Y"), lambda d: f"{d.day}/{d.month}/{d.year}", lambda d: d.strftime("%Y/%m/%d"),
    lambda d: f"{MONTHS[d.month - 1].title()} {d.day}, {d.year}", lambda d: d.strftime("%d/%m/%Y"),
    lambda d: f"{d.day:02d}-{MONTHS[d.month - 1]}-{d.year}", lambda d: f"{d.day:02d} {MONTHS[d.month - 1]} {d:%y}",
    lambda d: d.strftime("%Y%m%d"), lambda d: f"{d.day:02d} {d:%B}, {d.year}", lambda d: d.strftime("%d.%m.%y"),
)  # fmt: skip
SYLLABLES = (
    "BA", "CHA", "DOR", "EN", "FIN", "GA", "HOK", "IM", "JU", "KA", "LIN", "MO", "NES", "OR", "PE", "QUI", "RA", "SUN",
    "TAN", "UL", "VAR", "WEI", "YO", "ZA", "TER", "SON", "LEE", "MAR", "KET", "BRO",
)  # fmt: skip
CONFUSED = {
    "O": "0",
    "0": "O",
    "1": "I",
    "I": "1",
    "S": "5",
    "5": "S",
    "B": "8",
    "8": "B",
    ".": ",",
    "L": "I",
    "E": "F",
}
TOTAL_LABELS = (
    "TOTAL", "TOTAL:", "GRAND TOTAL", "TOTAL AMOUNT", "NET TOTAL", "TOTAL (RM)", "TOTAL SALES (INCLUSIVE GST)",
    "TOTAL AMT PAYABLE", "AMOUNT DUE", "ROUNDED TOTAL (RM):", "TOTAL INCL. GST@6%", "NETT TOTAL", "TOTAL DUE",
    "NET AMOUNT",
)  # fmt: skip


class _Page:
    """A document as its lines are written."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.split = draw.random() < 0.45
        """Labels and amounts stand on lines of their own, as some scanners read columns."""
        self.columns = draw.random() < 0.08
        self.broken = draw.choice((0.0, 0.0, 0.01, 0.04))
        """How often a letter of a label is followed by white space, or lost."""

    def add(self, *lines: str) -> None:
        self.lines += [line for line in lines if line]

    def pair(self, label: str, value: str) -> None:
        """Write a label and its value, in the page's way."""
        if self.split and self.draw.random() < 0.85:
            self.add(label, value)
        else:
            self.add(f"{label}{self.draw.choice((' ', '  ', ' : '))}{value}")

    def sums(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Write labels with their amounts; where columns are read apart, all labels stand before all amounts."""
        if self.columns:
            self.add(*(label for label, _ in pairs), *(value for _, value in pairs))
        else:
            for label, value in pairs:
                self.pair(label, value)

    def text(self, kept: Sequence[str], noise: float) -> str:
        """Return the text, its characters misread here and there; ``kept`` values are misread more rarely."""
        out = []
        for line in self.lines:
            is_kept = any(value in line for value in kept)
            read = "".join(self._misread(c, noise * (0.05 if is_kept else 1)) for c in line)
            out.append(read if is_kept else "".join(map(self._break, read)))
        return "\n".join(out)

    def _break(self, character: str) -> str:
        if not character.isalpha() or self.draw.random() >= self.broken:
            return character
        return f"{character} " if self.draw.random() < 0.6 else ""

    def _misread(self, character: str, noise: float) -> str:
        if self.draw.random() >= noise:
            return character
        return CONFUSED.get(character, character if self.draw.random() < 0.7 else "")


def make_receipts(count: int, seed: int) -> list[dict[str, object]]:
    """Return receipts: rows of ``input`` and ``target`` with company, date, address and total."""
    draw = random.Random(seed)
    return [_receipt(random.Random(draw.random())) for _ in range(count)]


def make_notes(count: int, seed: int) -> list[dict[str, object]]:
    """Return delivery notes: rows with number, date, customer, address and the weight in all."""
    draw = random.Random(seed + 1)
    return [_note(random.Random(draw.random())) for _ in range(count)]


def _word(draw: random.Random) -> str:
    """Make up a word that no other document is likely to have."""
    return "".join(draw.choices(SYLLABLES, k=draw.choice((2, 2, 3, 3, 4))))


def _company(draw: random.Random) -> str:
    own = " ".join(_word(draw) for _ in range(draw.choice((1, 1, 2))))
    first = draw.choice(NAMES) if draw.random() < 0.4 else own
    trade = draw.choice(TRADES) if draw.random() < 0.8 else _word(draw)
    name = f"{first} {trade} {draw.choice(ENDINGS)}".strip()
    if draw.random() < 0.15:
        name = f"{''.join(draw.choices(string.ascii_uppercase, k=draw.choice((2, 3))))} {name}"
    return name


def _address(draw: random.Random) -> list[str]:
    """Return an address as its lines."""
    number = draw.choice(
        (f"NO. {draw.randint(1, 199)}", f"NO.{draw.randint(1, 99)}", f"LOT {draw.randint(1, 999)}",
    f"{draw.randint(1, 300)}",
         f"{draw.randint(1, 60)} & {draw.randint(61, 90)}", f"G-{draw.randint(1, 40)}, GROUND FLOOR",
         f"{draw.randint(1, 9)}-{draw.randint(1, 90)}A")
    )  # fmt: skip
    named = draw.choice(STREETS) if draw.random() < 0.4 else f"{draw.choice(('JALAN', 'JLN', 'LORONG'))} {_word(draw)}"
    street = named + (f" {draw.randint(1, 9)}/{draw.randint(1, 40)}" if draw.random() < 0.4 else "")
    town, state = draw.choice(TOWNS)
    code = f"{draw.randint(10000, 89999)}"
    parts = [f"{number}, {street}"]
    if draw.random() < 0.65:
        area = (
            draw.choice(AREAS)
            if draw.random() < 0.5
            else f"{draw.choice(('TAMAN', 'BANDAR', 'KAWASAN'))} {_word(draw)}"
        )
        parts.append(area)
    parts.append(f"{code} {town}")
    if state:
        parts.append(state)
    parts = [f"{part}{',' if draw.random() < 0.8 else ''}" for part in parts[:-1]] + [
        f"{parts[-1]}{draw.choice(('', '', '.'))}"
    ]
    lines: list[str] = []
    for part in parts:
        if lines and draw.random() < 0.35:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines


def _money(cents: int, thousands: bool = True) -> str:
    return f"{cents / 100:,.2f}" if thousands else f"{cents / 100:.2f}"


def _receipt(draw: random.Random) -> dict[str, object]:
    page = _Page(draw)
    company, address = _company(draw), _address(draw)
    day = date(2015, 1, 1) + timedelta(days=draw.randrange(1500))
    when = draw.choice(DATE_STYLES)(day)
    if draw.random() < 0.25:
        page.add(draw.choice(("TAX INVOICE", "WELCOME", "*** COPY ***", draw.choice(NAMES), "RECEIPT", "tan chay yee")))
    page.add(company)
    if draw.random() < 0.5:
        page.add(
            draw.choice(
                (
                    f"({draw.randint(100000, 999999)}-{draw.choice('AKPTUVX')})",
                    f"CO. REG NO: {draw.randint(100000, 999999)}-{draw.choice('AKPTUVX')}",
                    f"ROC NO {draw.randint(100000, 999999)}",
                )
            )
        )
    page.add(*address)
    for line in draw.sample(
        (
            f"TEL: 0{draw.randint(3, 9)}-{draw.randint(1000000, 99999999)}",
            f"FAX 03-{draw.randint(1000000, 9999999)}",
            f"GST ID: 000{draw.randint(100000000, 999999999)}",
            f"GST REG NO : 00{draw.randint(1000000000, 9999999999)}",
            "EMAIL: sales@example.com",
            "OPEN DAILY 10AM - 10PM",
        ),
        draw.randint(0, 4),
    ):
        page.add(line)
    if draw.random() < 0.6:
        page.add(draw.choice(("TAX INVOICE", "INVOICE", "CASH BILL", "SIMPLIFIED TAX INVOICE", "OFFICIAL RECEIPT")))
    head: list[Callable[[], object]] = [lambda: _write_date(page, when)]
    head += draw.sample(
        (
            lambda: page.pair("INVOICE NO:", f"{draw.choice(('CS', 'IV', 'A', 'OR'))}{draw.randint(10000, 999999)}"),
            lambda: page.pair("CASHIER:", draw.choice(("MEI", "NUR", "ALI", "JANE", "ADMIN", "#01"))),
            lambda: page.add(f"TABLE {draw.randint(1, 40)}  PAX {draw.randint(1, 6)}"),
            lambda: page.pair("BILL NO", f"{draw.randint(1, 99999):05d}"),
            lambda: page.pair("MEMBER:", f"{draw.randint(1000000000, 9999999999)}"),
            lambda: page.pair("COUNTER", f"{draw.randint(1, 9)}"),
        ),
        draw.randint(0, 4),
    )
    late = draw.random() < 0.2
    draw.shuffle(head)
    if not late:
        for write in head:
            write()
    total = _items(page)
    written = _sums(page, total)
    if late:
        for write in head:
            write()
    page.add(
        *draw.sample(
            (
                "THANK YOU PLEASE COME AGAIN",
                "GOODS SOLD ARE NOT RETURNABLE",
                "THANK YOU",
                "PLEASE KEEP THE RECEIPT",
                "EXCHANGE WITHIN 7 DAYS",
                "*** END ***",
                f"PRINTED {draw.choice(DATE_STYLES)(day)} {draw.randint(10, 22)}:{draw.randint(10, 59)}",
            ),
            draw.randint(0, 3),
        )
    )
    joined = " ".join(address)
    text = page.text([company, when, written, *address], draw.choice((0.0, 0.004, 0.01, 0.02)))
    target = {"company": company, "date": when, "address": joined, "total": written}
    return {"input": text, "target": json.dumps(target)}


def _write_date(page: _Page, when: str) -> None:
    draw = page.draw
    time = f"{draw.randint(8, 22)}:{draw.randint(0, 59):02d}" + draw.choice(
        ("", "", f":{draw.randint(0, 59):02d}", " PM")
    )
    label = draw.choice(("DATE:", "DATE :", "Date", "DATE/TIME", "INVOICE DATE :", "TRANS. DATE", "", "", "TIME:"))
    value = draw.choice((when, f"{when} {time}", f"{time} {when}" if label == "TIME:" else f"{when}  {time}"))
    if label:
        page.pair(label, value)
    else:
        page.add(value)


def _items(page: _Page) -> int:
    """Write the bought goods; returns what they cost, in cents."""
    draw, total = page.draw, 0
    if draw.random() < 0.7:
        page.add(
            draw.choice(
                ("QTY DESCRIPTION AMOUNT", "ITEM  QTY  PRICE  TOTAL", "DESCRIPTION U.PRICE AMT(RM)", "QTY\nITEM\nRM")
            )
        )
    style = draw.randrange(4)
    for _ in range(draw.choice((1, 1, 2, 2, 3, 4, 5, 7, 10))):
        name, quantity = draw.choice(GOODS), draw.choice((1, 1, 1, 1, 2, 3, 5))
        price = draw.choice((draw.randrange(50, 3000, 10), draw.randrange(100, 20000, 5), draw.randrange(90, 900, 5)))
        amount = quantity * price
        total += amount
        if style == 0:
            page.add(f"{quantity} {name} {_money(amount)}{draw.choice((' SR', '', ' S', ''))}")
        elif style == 1:
            page.add(name, f"{quantity} X {_money(price)}  {_money(amount)}")
        elif style == 2:
            page.add(f"{draw.randint(10**7, 10**9)}", name, f"{quantity}", _money(price), _money(amount))
        else:
            page.add(f"{name} {_money(price)} {quantity} {_money(amount)}")
    return total


def _sums(page: _Page, total: int) -> str:
    """Write the sums; returns the total as it is asked for."""
    draw = page.draw
    currency = draw.choice(("", "", "", "RM ", "RM", "$"))
    rounded = round(total / 5) * 5
    pairs = []
    if draw.random() < 0.5:
        label = draw.choice(("SUBTOTAL", "SUB TOTAL", "TOTAL QTY: 3  SUBTOTAL", "SUB-TOTAL", "TOTAL SALES EXCL. GST"))
        pairs.append((label, currency + _money(total if draw.random() < 0.6 else round(total / 1.06))))
    if draw.random() < 0.3:
        pairs.append((draw.choice(("DISCOUNT", "DISC (0%)", "TOTAL DISCOUNT")), currency + "0.00"))
    if draw.random() < 0.3:
        label = draw.choice(("GST 6%", "TOTAL GST", "SERVICE TAX", "TAX"))
        pairs.append((label, currency + _money(total - round(total / 1.06))))
    if draw.random() < 0.2:
        pairs.append((draw.choice(("TOTAL SALES", "TOTAL (EXCLUDING ROUNDING)", "AMOUNT")), currency + _money(total)))
    if draw.random() < 0.4:
        pairs.append((draw.choice(("ROUNDING", "ROUNDING ADJ", "ROUND ADJ:")), f"{(rounded - total) / 100:.2f}"))
    written = _money(rounded, thousands=draw.random() < 0.9)
    pairs.append((draw.choice(TOTAL_LABELS), currency + written))
    if draw.random() < 0.7:
        paid = rounded if draw.random() < 0.4 else -(-rounded // draw.choice((500, 1000, 5000))) * 5000
        paid = max(paid, rounded)
        label = draw.choice(("CASH", "CASH TENDERED", "PAID AMOUNT", "VISA CARD", "TENDER", "PAYMENT"))
        pairs.append((label, currency + _money(paid)))
        if draw.random() < 0.8:
            pairs.append((draw.choice(("CHANGE", "CHANGE DUE", "BALANCE")), currency + _money(paid - rounded)))
    page.sums(pairs)
    if draw.random() < 0.4:
        tax = rounded - round(rounded / 1.06)
        page.add(draw.choice(("GST SUMMARY", "GST ANALYSIS  AMOUNT(RM)  TAX(RM)")))
        page.pair("SR @ 6%", f"{_money(rounded - tax)} {_money(tax)}")
        if draw.random() < 0.3:
            page.pair("TOTAL", f"{_money(rounded - tax)} {_money(tax)}")
    return written


def _note(draw: random.Random) -> dict[str, object]:
    page = _Page(draw)
    sender, customer = _company(draw), _company(draw)
    address = _address(draw)
    day = date(2016, 1, 1) + timedelta(days=draw.randrange(1500))
    ordered = day - timedelta(days=draw.randint(1, 20))
    style = draw.choice(DATE_STYLES)
    when, number = style(day), f"{draw.choice(('DN', 'D/O', 'DO-', 'L'))}{draw.randint(1000, 999999)}"
    page.add(sender, *_address(draw), draw.choice(("DELIVERY NOTE", "DELIVERY ORDER", "GOODS DELIVERY NOTE")))
    blocks: list[Callable[[], object]] = [
        lambda: page.pair(draw.choice(("NOTE NO:", "D/O NO.", "NUMBER", "DELIVERY NO :")), number),
        lambda: page.pair(draw.choice(("DELIVERY DATE", "DATE:", "DELIVERED ON", "DATE OF DELIVERY :")), when),
        lambda: page.pair(draw.choice(("ORDER DATE", "ORDERED", "P/O DATE :")), style(ordered)),
        lambda: page.pair(draw.choice(("P/O NO.", "YOUR ORDER", "ORDER NO:")), f"PO{draw.randint(1000, 99999)}"),
        lambda: page.add(draw.choice(("DELIVER TO:", "CUSTOMER", "SHIP TO", "DELIVERED TO :")), customer, *address),
    ]
    draw.shuffle(blocks)
    for write in blocks:
        write()
    weight = 0
    for _ in range(draw.randint(1, 6)):
        kilos = draw.randrange(5, 900) * 10
        weight += kilos
        page.add(
            f"{draw.randint(1, 60)} {draw.choice(('BOX', 'CTN', 'PCS', 'BAG'))} {draw.choice(GOODS)} "
            f"{kilos / 100:.1f} KG"
        )
    total = f"{weight / 100:.1f}"
    page.pair(
        draw.choice(("TOTAL WEIGHT", "GROSS WEIGHT (KG)", "TOTAL KG", "WEIGHT IN ALL")),
        f"{total} KG" if draw.random() < 0.7 else total,
    )
    page.add(
        *draw.sample(
            (
                "RECEIVED IN GOOD CONDITION",
                "SIGNATURE",
                "DRIVER: AHMAD",
                f"LORRY {draw.choice('BJWV')}{draw.randint(100, 9999)}",
            ),
            draw.randint(0, 3),
        )
    )
    text = page.text([number, when, customer, total, *address], draw.choice((0.0, 0.004, 0.01, 0.02)))
    target = {"number": number, "date": when, "customer": customer, "address": " ".join(address), "weight": total}
    return {"input": text, "target": json.dumps(target)}
