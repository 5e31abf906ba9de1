"""Receipts of shops, nastier than those of `benchmarks._made_documents`: each shop prints in a way of its own.

Some shops have many receipts and most have one or two, so many in a test set come from shops that no training row is
from. A company may stand on two lines, one line may be lost, dates have a time in front or behind or are printed again
as another day, numbers of registrations and invoices look like dates, the total is called by thirty names in two
languages and stands beside totals of quantities, taxes, discounts and savings, and a scanner takes 0 for O, 1 for I and
5 for S, now and then in a value too, whose target stays as a person reads it. Everything follows from the seed. Nothing
is taken from real documents.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

FIRST = (
    "KENANGA", "PUNCAK", "SERI", "GLOBAL", "ONE STOP", "TWIN", "BLUE LAKE", "KIAN HONG", "AIK", "MR. BOLT",
    "U-MART", "99 CORNER", "D'ANGSA", "L&K", "THE PANTRY", "RASA", "SIN MEI", "NUSA", "GERBANG", "POPULAIRE",
    "SANYU", "ABC", "TEO HENG", "MAJU JAYA", "INTAN", "CITY", "EVER", "WAJA", "HOE LEONG", "KEDAI PAK",
)  # fmt: skip
SECOND = (
    "HARDWARE", "RESTAURANT", "MACHINERY", "TRADING", "FROZEN FOOD", "PASTRY HOUSE", "STATIONERS", "AUTO SUPPLY",
    "FASHION", "PHARMA", "SUPERMARKET", "LIGHTING", "VIDEO", "HOME CENTRE", "TEA HOUSE", "FUEL", "PET SHOP",
    "OPTIK", "NOODLE BAR", "STEAKHOUSE", "GARDEN", "TOYS", "MOTOR",
)  # fmt: skip
LAST = (
    "SDN BHD", "SDN. BHD.", "SDN BHD.", "(M) SDN BHD", "S/B", "ENTERPRISE", "TRADING", "(KL) SDN. BHD.", "LTD",
    "", "PLT",
)  # fmt: skip
PARTS = (
    "AK", "BER", "CIN", "DA", "EL", "FU", "GAR", "HI", "IS", "JO", "KU", "LAM", "MEN", "NOR", "OI", "PAN", "RU",
    "SE", "TI", "UM", "VI", "WAN", "YA", "ZU", "SAL", "TAK",
)  # fmt: skip
ROADS = ("JALAN", "JLN", "LORONG", "PERSIARAN", "LEBUHRAYA", "JALAN BESAR", "MAIN ROAD,", "JALAN SS")
ZONES = ("TAMAN", "BANDAR", "KAMPUNG", "PUSAT BANDAR", "DESA", "MEDAN", "SEKSYEN", "PLAZA", "WISMA")
TOWNS = (
    "47100 PUCHONG, SELANGOR", "50480 KUALA LUMPUR", "81200 JOHOR BAHRU, JOHOR",
    "43300 SERI KEMBANGAN SELANGOR D.E.", "30000 IPOH, PERAK DARUL RIDZUAN", "10450 PULAU PINANG",
    "70200 SEREMBAN, N.S.", "41200 KLANG, SELANGOR DARUL EHSAN", "55100 K.L.", "68000 AMPANG, SELANGOR.",
    "75000 MELAKA", "52200 KUALA LUMPUR, MALAYSIA",
)  # fmt: skip
WARES = (
    "MILO AIS",
    "WIRE 2.5MM",
    "NASI AYAM",
    "PENCIL 2B 12S",
    "BRAKE PAD",
    "SHAMPOO 400ML",
    "MEE GORENG",
    "BULB E27 7W",
    "DOG LEASH",
    "CHEESE TART",
    "RON95 11.52 L",
    "TISSUE 4 X 50",
    "CUP 16OZ",
    "GLASS CLEANER",
    "KUIH SERI MUKA",
    'HINGE 3"',
    "T-SHIRT L",
    "SCREEN GUARD",
    "SARDINES 155G",
    "CARROT CAKE",
    "LYCHEE DRINK",
    "PARKING",
    "ROTI",
    "LABELS A4 100S",
)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DATES: Sequence[Callable[[date], str]] = (
    lambda d: f"{d:%d/%m/%Y}",
    lambda d: f"{d:%d/%m/%Y}",
    lambda d: f"{d:%d-%m-%Y}",
    lambda d: f"{d:%d/%m/%y}",
    lambda d: f"{d.day:02d}-{MONTHS[d.month - 1]}-{d:%y}",
    lambda d: f"{d.day:02d} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{d.day:02d}-{MONTHS[d.month - 1].title()}-{d.year}",
    lambda d: f"{d:%d.%m.%Y}",
    lambda d: f"{d:%Y-%m-%d}",
    lambda d: f"{d.day}/{d.month}/{d.year}",
    lambda d: f"{MONTHS[d.month - 1].title()} {d.day:02d}, {d.year}",
    lambda d: f"{d:%Y%m%d}",
    lambda d: f"{d.day:02d}{MONTHS[d.month - 1]}{d.year}",
    lambda d: f"{d.day} {d:%B} {d.year}",
)
WEEK = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
DATE_LABELS = (
    "DATE",
    "DATE:",
    "Date :",
    "TARIKH",
    "INV DATE",
    "DATE/TIME",
    "BILL DATE:",
    "TRX DATE",
    "",
    "",
    "",
    "DT:",
)
TOTALS = (
    "TOTAL",
    "TOTAL (RM)",
    "TOTAL RM",
    "TOTAL:",
    "GRAND TOTAL",
    "JUMLAH",
    "JUMLAH (RM)",
    "Jumlah Besar",
    "AMOUNT DUE",
    "TOTAL AMOUNT",
    "NET TOTAL",
    "NETT",
    "TOTAL PAYABLE",
    "TOTAL INC GST",
    "TOTAL SALES (INC. GST)",
    "BILL TOTAL",
    "TOTAL ROUNDED",
    "ROUNDED TOTAL",
    "AMT DUE",
    "TOTAL (INCL. OF GST)",
    "PAYABLE AMOUNT",
    "T0TAL",
    "TOTAL DUE RM",
    "TOTAL AFTER ROUNDING",
    "BALANCE DUE",
    "Total Amount (MYR)",
)
PAID = (
    "CASH",
    "CASH RECEIVED",
    "TUNAI",
    "TENDERED",
    "VISA",
    "MASTERCARD",
    "PAID",
    "CASH PAYMENT",
    "DEBIT CARD",
)
CHANGE = ("CHANGE", "BAKI", "CHANGE DUE", "Change:", "BALANCE")
SWAPS = {
    "0": "O",
    "O": "0",
    "1": "I",
    "I": "1",
    "5": "S",
    "S": "5",
    "8": "B",
    "B": "8",
    "G": "6",
    ".": ",",
    "L": "1",
    "N": "M",
}
COUNT = 400
"""Shops there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shop:
    """A shop, and how it prints."""

    company: tuple[str, ...]
    address: tuple[str, ...]
    above: str
    numbers: tuple[str, ...]
    when: Callable[[date], str]
    date_label: str
    time_place: str
    date_place: str
    total_label: str
    currency: str
    apart: bool
    by_columns: bool
    ware_style: int
    sums: frozenset[str]
    cents: str
    lower: bool


def make(count: int, seed: int) -> list[dict[str, object]]:
    """Return receipts: rows of ``input`` and ``target`` with company, date, address and total."""
    draw = random.Random(seed)
    shops = [_make_shop(random.Random(draw.random())) for _ in range(COUNT)]
    weights = [1 / (1 + rank) ** 0.6 for rank in range(COUNT)]
    return [_print(random.Random(draw.random()), draw.choices(shops, weights)[0]) for _ in range(count)]


def _name(draw: random.Random) -> str:
    return "".join(draw.choices(PARTS, k=draw.choice((2, 3))))


def _make_shop(draw: random.Random) -> _Shop:
    first = draw.choice((draw.choice(FIRST), _name(draw), f"{_name(draw)} {_name(draw)}"))
    whole = " ".join(
        part for part in (first, draw.choice((draw.choice(SECOND), _name(draw))), draw.choice(LAST)) if part
    )
    company: tuple[str, ...] = (whole,)
    if draw.random() < 0.15 and whole.count(" ") > 1:
        cut = whole.rindex(" ", 0, whole.rindex(" "))
        company = (whole[:cut], whole[cut + 1 :])
    elif draw.random() < 0.1:
        company = (f"{whole} ({_name(draw)} BRANCH)",)
    registration = f"{draw.randint(1, 999999):06d}-{draw.choice('AKMPTUVWX')}"
    numbers = draw.sample(
        (
            f"({registration})",
            f"CO. NO. {registration}",
            f"GST ID : 0{draw.randint(10000000000, 99999999999)}",
            f"GST NO: {draw.randint(1, 28):02d}/{draw.randint(1, 12):02d}/{draw.randint(100000, 999999)}",
            f"GST REG 00{draw.randint(1, 28):02d}-{draw.randint(1, 12):02d}-{draw.randint(2010, 2018)}",
            f"TEL:0{draw.randint(3, 9)}-{draw.randint(10**6, 10**8)}",
            f"H/P 01{draw.randint(1, 9)}-{draw.randint(10**6, 10**7)}",
            f"FAX : 03-{draw.randint(10**6, 10**7)}",
            "www.example.com",
            f"SST NO B16-{draw.randint(1000, 9999)}-{draw.randint(10**7, 10**8)}",
        ),
        draw.randint(1, 5),
    )
    everything = (
        "subtotal",
        "discount",
        "tax",
        "service",
        "quantity",
        "items",
        "rounding",
        "paid",
        "change",
        "table",
        "saved",
        "excluding",
    )
    return _Shop(
        company=company,
        address=_make_address(draw),
        above=draw.choice(
            ("", "", "", "", "TAX INVOICE", "*WELCOME*", _name(draw).lower(), "RECEIPT", f"{draw.choice(FIRST)}")
        ),
        numbers=tuple(numbers),
        when=draw.choice(DATES),
        date_label=draw.choice(DATE_LABELS),
        time_place=draw.choice(("behind", "behind", "front", "none", "none", "line", "week")),
        date_place=draw.choice(("top", "top", "top", "bottom", "first")),
        total_label=draw.choice(TOTALS),
        currency=draw.choice(("", "", "", "RM", "RM ", "MYR ", "$")),
        apart=draw.random() < 0.5,
        by_columns=draw.random() < 0.12,
        ware_style=draw.randrange(5),
        sums=frozenset(name for name in everything if draw.random() < 0.45),
        cents=draw.choice(("5", "5", "1")),
        lower=draw.random() < 0.08,
    )


def _make_address(draw: random.Random) -> tuple[str, ...]:
    number = draw.choice(
        (
            f"NO. {draw.randint(1, 200)}",
            f"NO {draw.randint(1, 99)}-{draw.randint(1, 9)}",
            f"LOT {draw.randint(1, 999)}",
            f"{draw.randint(1, 300)}",
            f"NO.{draw.randint(1, 50)} & {draw.randint(51, 99)}",
            f"G{draw.randint(1, 30)}A, GROUND FLOOR",
            f"UNIT {draw.randint(1, 20)}-{draw.randint(1, 40)}",
            f"PT {draw.randint(1000, 9999)}",
        )
    )
    street = f"{draw.choice(ROADS)} {_name(draw)}" + (
        f" {draw.randint(1, 9)}/{draw.randint(1, 30)}" if draw.random() < 0.4 else ""
    )
    parts = [f"{number}, {street}"]
    if draw.random() < 0.7:
        parts.append(f"{draw.choice(ZONES)} {_name(draw)}")
    if draw.random() < 0.2:
        parts.append(f"{draw.choice(ZONES)} {_name(draw)} {draw.randint(1, 12)}")
    town = draw.choice(TOWNS)
    parts += town.split(", ") if draw.random() < 0.4 else [town]
    mark = draw.choice((",", ",", ",", ""))
    parts = [f"{part.rstrip(',.')}{mark}" for part in parts[:-1]] + [parts[-1]]
    lines: list[str] = []
    for part in parts:
        if lines and draw.random() < 0.3:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return tuple(lines)


def _money(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def _print(draw: random.Random, shop: _Shop) -> dict[str, object]:
    """Print a receipt of a shop, and let a scanner read it."""
    day = date(2016, 1, 1) + timedelta(days=draw.randrange(1100))
    when = shop.when(day)
    dates = _date_lines(draw, shop, when, day)
    number = draw.choice(
        (
            f"{day:%Y%m%d}-{draw.randint(1, 999):04d}",
            f"INV{draw.randint(10**4, 10**7)}",
            f"{draw.randint(1, 99)}/{draw.randint(10, 99)}/{draw.randint(1000, 9999)}",
        )
    )
    about = [draw.choice((f"BILL NO: {number}", f"INVOICE# {number}", f"DOC NO.\n{number}", f"RCPT {number}"))]
    about += draw.sample(
        (
            f"CASHIER: {_name(draw)}",
            f"TABLE {draw.randint(1, 40)}",
            f"POS {draw.randint(1, 9)}",
            "MEMBER: ",
            f"SALESMAN {_name(draw)}",
            f"TERM: {draw.randint(1, 60)} DAYS",
            "CASH SALES",
        ),
        draw.randint(0, 3),
    )
    top = [shop.above, *shop.company, *shop.numbers[:1], *shop.address, *shop.numbers[1:]]
    if shop.date_place == "first":
        lines = [*dates, *top, *about]
    elif shop.date_place == "top":
        order = [*about]
        order.insert(draw.randint(0, len(order)), "\n".join(dates))
        lines = [*top, *order]
    else:
        lines = [*top, *about]
    wares, cost = _wares(draw, shop)
    sums, total = _sums(draw, shop, cost)
    lines += [*wares, *sums]
    if shop.date_place == "bottom":
        lines += dates
    other = day + timedelta(days=draw.choice((0, 0, 7, 14, 30)))
    lines += draw.sample(
        (
            "THANK YOU",
            "TERIMA KASIH, SILA DATANG LAGI",
            "GOODS SOLD ARE NOT REFUNDABLE",
            f"EXCHANGE BEFORE {shop.when(other)}",
            f"PRINTED: {shop.when(day)} {draw.randint(8, 22)}:{draw.randint(10, 59)}",
            "THIS IS A COMPUTER GENERATED RECEIPT",
            "LIKE US ONLINE",
        ),
        draw.randint(0, 3),
    )
    lines = [line for entry in lines for line in entry.split("\n") if line.strip()]
    target = {"company": " ".join(shop.company), "date": when, "address": " ".join(shop.address), "total": total}
    text = _scan(draw, lines, (*shop.company, *shop.address, when, total))
    return {"input": text.lower() if shop.lower else text, "target": json.dumps(target)}


def _date_lines(draw: random.Random, shop: _Shop, when: str, day: date) -> list[str]:
    time = f"{draw.randint(8, 22):02d}:{draw.randint(0, 59):02d}" + draw.choice(
        ("", "", f":{draw.randint(0, 59):02d}", " PM")
    )
    value = {
        "behind": f"{when} {time}",
        "front": f"{time} {when}",
        "week": f"{WEEK[day.weekday()]} {when} {time}",
    }.get(shop.time_place, when)
    apart = shop.apart and bool(shop.date_label)
    out = [shop.date_label, value] if apart else [f"{shop.date_label} {value}".strip()]
    return [*out, f"TIME: {time}"] if shop.time_place == "line" else out


def _wares(draw: random.Random, shop: _Shop) -> tuple[list[str], int]:
    lines = [draw.choice(("ITEM QTY PRICE AMOUNT", "DESCRIPTION\nQTY\nTOTAL", "", "QTY ITEM TOTAL(RM)"))]
    cost = 0
    for _ in range(draw.choice((1, 1, 2, 3, 4, 6, 9))):
        ware, quantity, price = draw.choice(WARES), draw.choice((1, 1, 1, 2, 3)), draw.randrange(60, 8000, 5)
        amount = quantity * price
        cost += amount
        code = f"{draw.randint(10**11, 10**12)}"
        lines += [
            [f"{ware} {_money(amount)}"],
            [code, f"{ware}", f"{quantity} X {_money(price)} {_money(amount)} SR"],
            [f"{quantity}", ware, _money(price), _money(amount)],
            [f"{quantity} {ware} RM{_money(amount)}"],
            [ware, f"{quantity}.00 PCS @ {_money(price)}", f"{_money(amount)} Z"],
        ][shop.ware_style]
    return lines, cost


def _sums(draw: random.Random, shop: _Shop, cost: int) -> tuple[list[str], str]:
    """Return the lines of the sums, and the total."""
    off = min(draw.choice((0, 0, 100, round(cost * 0.05))), cost - 5) if "discount" in shop.sums else 0
    service = round((cost - off) * 0.1) if "service" in shop.sums else 0
    net = cost - off + service
    rounded = round(net / 5) * 5 if shop.cents == "5" else net
    tax = rounded - round(rounded / 1.06)
    paid = rounded if draw.random() < 0.45 else -(-rounded // 1000) * 1000
    total = _money(rounded)
    every = {
        "quantity": (("TOTAL QTY", "TOTAL ITEMS", "ITEM COUNT"), f"{draw.randint(1, 12)}"),
        "subtotal": (("SUBTOTAL", "SUB TOTAL", "SUB-TOTAL (RM)", "JUMLAH KECIL"), _money(cost)),
        "discount": (("DISCOUNT", "TOTAL DISCOUNT", "DISC 5%", "DISKAUN"), draw.choice(("-", "")) + _money(off)),
        "service": (("SERVICE CHARGE 10%", "SVC CHG"), _money(service)),
        "excluding": (("TOTAL EXCL GST", "TOTAL SALES (EXCLUDING GST)", "TAXABLE AMOUNT"), _money(rounded - tax)),
        "tax": (("GST 6%", "TOTAL GST", "SST", "CUKAI 6%", "TOTAL TAX"), _money(tax)),
        "rounding": (("ROUNDING", "ROUND ADJ", "ROUNDING ADJUSTMENT", "PELARASAN"), f"{(rounded - net) / 100:.2f}"),
        "total": ((shop.total_label,), shop.currency + total),
        "paid": (PAID, shop.currency + _money(paid)),
        "change": (CHANGE, shop.currency + _money(paid - rounded)),
        "saved": (("TOTAL SAVINGS",), _money(off)),
        "items": (("NO. OF ITEMS",), f"{draw.randint(1, 9)}"),
    }
    shown = [kind for name, kind in every.items() if name in shop.sums or name == "total"]
    pairs = [(draw.choice(labels), amount) for labels, amount in shown]
    if shop.by_columns:
        lines = [*(label for label, _ in pairs), *(value for _, value in pairs)]
    elif shop.apart:
        lines = [part for pair in pairs for part in pair]
    else:
        lines = [f"{label} {value}" for label, value in pairs]
    if "table" in shop.sums:
        lines += ["GST SUMMARY AMOUNT TAX", f"SR 6% {_money(rounded - tax)} {_money(tax)}"]
        lines += [f"TOTAL {_money(rounded - tax)} {_money(tax)}"] if draw.random() < 0.4 else []
    return lines, total


def _scan(draw: random.Random, lines: Sequence[str], values: Sequence[str]) -> str:
    """Read lines as a scanner does: some are lost, characters and spaces are misread, those of values more rarely."""
    noise = draw.choice((0.0, 0.002, 0.01, 0.03))
    out = []
    for line in lines:
        holds = any(value in line for value in values)
        if not holds and draw.random() < 0.02:
            continue
        rate = noise * (0.06 if holds else 1)
        read = "".join(_misread(draw, character, rate) for character in line)
        out.append(read)
    return "\n".join(out)


def _misread(draw: random.Random, character: str, rate: float) -> str:
    if draw.random() >= rate:
        return character
    if character in SWAPS:
        return SWAPS[character]
    return draw.choice(("", character, f"{character} "))
