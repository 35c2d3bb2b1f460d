"""Forty drawn screens of eight kinds, each with the facts that a description must keep.

A fact is a text, or the texts of cells that belong together and must stand in one row.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 960, 540
Fact = str | tuple[str, ...]


@dataclass(frozen=True)
class Clock:
    """A running clock: its first reading in seconds, its direction, and how it is written."""

    at: int
    step: int = 1
    form: str = "{h:02d}:{m:02d}:{s:02d}"

    def reading(self, seconds: int) -> str:
        now = self.at + self.step * seconds
        return self.form.format(h=now // 3600, m=now // 60 % 60, s=now % 60, mm=now // 60)


@dataclass(frozen=True)
class Text:
    """A text at a place, in pixels."""

    x: int
    y: int
    text: str
    size: int = 18
    ink: str = "#1a1a1a"


@dataclass(frozen=True)
class DrawnScreen:
    """A screen. ``title`` stands in the bar of its window, and ``clocks`` are drawn at places, after some words."""

    kind: str
    title: str
    texts: tuple[Text, ...]
    facts: tuple[Fact, ...]
    clocks: tuple[tuple[int, int, str, Clock], ...] = ()
    paper: str = "white"
    bar: str = "#2b2b2b"
    boxes: tuple[tuple[int, int, int, int, str], ...] = field(default=())

    def jpeg(self, seconds: int) -> bytes:
        """The screen after some seconds as JPEG."""
        image = Image.new("RGB", (WIDTH, HEIGHT), self.paper)
        draw = ImageDraw.Draw(image)
        for left, top, right, bottom, colour in self.boxes:
            draw.rectangle((left, top, right, bottom), fill=colour)
        draw.rectangle((0, 0, WIDTH, 30), fill=self.bar)
        draw.text((90, 5), self.title, font=font(17), fill="#e8e8e8")
        for one in self.texts:
            draw.text((one.x, one.y), one.text, font=font(one.size), fill=one.ink)
        for x, y, words, clock in self.clocks:
            ink = "#e8e8e8" if y < 30 else "#404040" if self.paper in ("white", "#f6f8fa") else "#d0d0d0"
            draw.text((x, y), f"{words}{clock.reading(seconds)}", font=font(17), fill=ink)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=88)
        return buffer.getvalue()

    def readings(self, seconds: Sequence[int]) -> set[str]:
        """The readings of its clocks after some seconds."""
        return {clock.reading(second) for _, _, _, clock in self.clocks for second in seconds}


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


IN_BAR = (800, 5, "", Clock(12 * 3600 + 4 * 60 + 31))


def slide(title: str, *points: str, clock: bool = True) -> DrawnScreen:
    texts = [Text(60, 60, title, 44), *(Text(80, 150 + 62 * n, point, 26) for n, point in enumerate(points))]
    return DrawnScreen("slide", title, tuple(texts), (title, *points), (IN_BAR,) if clock else ())


def dashboard(title: str, *values: tuple[str, str]) -> DrawnScreen:
    texts: list[Text] = []
    boxes: list[tuple[int, int, int, int, str]] = []
    for number, (label, value) in enumerate(values):
        x, y = 40 + number % 3 * 300, 90 + number // 3 * 140
        boxes.append((x - 10, y - 10, x + 260, y + 100, "#22303c"))
        texts += [Text(x, y, label, 18, "#9fb3c8"), Text(x, y + 36, value, 34, "white")]
    facts: list[Fact] = [title, *(part for pair in values for part in pair)]
    clocks = ((820, 5, "", Clock(14 * 3600 + 5 * 60 + 22)), (40, 500, "Uptime ", Clock(3 * 3600 + 12 * 60 + 45)))
    return DrawnScreen("dashboard", title, tuple(texts), tuple(facts), clocks, "#15202b", "#0b1117", tuple(boxes))


def terminal(title: str, *lines: str) -> DrawnScreen:
    texts = tuple(Text(20, 44 + 30 * n, line, 17, "#d7f5d0") for n, line in enumerate(lines))
    return DrawnScreen("terminal", title, texts, lines, (IN_BAR,), "#101418", "#303030")


def spreadsheet(title: str, *rows: tuple[str, ...]) -> DrawnScreen:
    texts = tuple(
        Text(40 + 170 * column, 60 + 34 * row, cell, 17)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    )
    return DrawnScreen("spreadsheet", title, texts, rows, (IN_BAR,))


def chat(title: str, channels: Sequence[str], *messages: tuple[str, str, str]) -> DrawnScreen:
    texts = [Text(20, 60 + 40 * n, channel, 17, "#e0d0e0") for n, channel in enumerate(channels)]
    texts.append(Text(260, 46, title, 26))
    facts: list[Fact] = [title, *channels]
    for number, (author, time, words) in enumerate(messages):
        y = 100 + 74 * number
        texts += [Text(260, y, author, 17, "#1d4f91"), Text(420, y, time, 15, "#606060"), Text(260, y + 28, words, 18)]
        facts += [(author, time), words]
    return DrawnScreen("chat", title, tuple(texts), tuple(facts), (IN_BAR,), boxes=((0, 30, 220, HEIGHT, "#4a154b"),))


def page(heading: str, address: str, *paragraphs: str) -> DrawnScreen:
    texts = [Text(60, 38, address, 15, "#404040"), Text(60, 80, heading, 36)]
    texts += [Text(60, 150 + 42 * n, words, 18) for n, words in enumerate(paragraphs)]
    title = f"{heading} - Browser"
    return DrawnScreen("page", title, tuple(texts), (title, address, *paragraphs), (IN_BAR,), "#f6f8fa")


def editor(path: str, files: Sequence[str], *code: str) -> DrawnScreen:
    texts = [Text(16, 50 + 32 * n, name, 16, "#b0b8c0") for n, name in enumerate(files)]
    texts += [Text(250, 50 + 30 * n, line, 17, "#e6e6e6") for n, line in enumerate(code)]
    return DrawnScreen("editor", path, tuple(texts), (path, *files, *code), (IN_BAR,), "#1e1e1e", "#333333")


def player(title: str, clock: Clock, length: str, *lines: str) -> DrawnScreen:
    texts = tuple(Text(70, 110 + 56 * n, line, 26, "white") for n, line in enumerate(lines))
    facts = (title, length, *lines)
    clocks = ((60, 490, "", clock),)
    return DrawnScreen(
        "player", title, (*texts, Text(200, 490, f"of {length}", 17, "#d0d0d0")), facts, clocks, "#202428"
    )


SLIDES = (
    slide("Quarterly review", "Revenue grew to 1,284 kEUR", "Churn fell to 1.8 %", "Two new customers in Lyon"),
    slide("Agenda", "09:30 Stand-up", "11:00 Design review", "15:00 Call with Priya"),
    slide("Risks and next steps", "Supplier contract ends on 31 March", "Owner: Dana Whitfield", "Budget: 48,000 USD"),
    slide("Launch plan", "Beta on 12 May", "Pricing: 29 EUR per seat", "Support hours 08:00 to 18:00", clock=False),
    slide("Thank you", "Questions to maria.lopez at acme.example", "Slides: share folder 7"),
)
DASHBOARDS = (
    dashboard(
        "Checkout health",
        ("Requests per s", "1,482"),
        ("Errors", "0.37 %"),
        ("p95 latency", "212 ms"),
        ("Queue", "17"),
        ("Build", "v2.14.1"),
        ("Region", "eu-west"),
    ),
    dashboard(
        "Warehouse north",
        ("Pallets in", "318"),
        ("Pallets out", "274"),
        ("Temperature", "-18.5 C"),
        ("Door 3", "OPEN"),
        ("Staff", "23"),
        ("Next truck", "16:40"),
    ),
    dashboard(
        "Call centre",
        ("Waiting", "6"),
        ("Longest wait", "3 min"),
        ("Agents", "14"),
        ("Answered", "1,093"),
        ("Lost", "41"),
        ("Satisfaction", "4.6"),
    ),
    dashboard(
        "Solar plant 2",
        ("Output", "3.21 MW"),
        ("Today", "18.4 MWh"),
        ("Inverter 7", "FAULT"),
        ("Wind", "5 m/s"),
        ("Panels", "9,216"),
        ("Grid", "50.02 Hz"),
    ),
    dashboard(
        "Trading desk",
        ("DAX", "24,318.5"),
        ("EUR/USD", "1.0842"),
        ("Gold", "2,655"),
        ("Orders", "58"),
        ("Margin", "71 %"),
        ("Status", "LIVE"),
    ),
)
TERMINALS = (
    terminal("deploy", "$ git pull --rebase", "$ pytest -q", "312 passed in 8.41s", "$ git push origin main"),
    terminal(
        "server log",
        "08:03:08 INFO service started",
        "08:03:11 WARN disk 91 % full",
        "08:03:12 ERROR payment 4711 refused",
        "08:03:19 INFO retry in 30 s",
    ),
    terminal("psql", "select count(*) from orders;", "count", "20417", "(1 row)", "orders=> \\q"),
    terminal(
        "ssh build-04",
        "$ df -h /data",
        "Size 932G  Used 871G  Use 94%",
        "$ systemctl restart indexer",
        "Failed: unit not found",
        "exit code 5",
    ),
    terminal(
        "npm",
        "$ npm audit",
        "found 3 vulnerabilities (1 critical)",
        "package: left-pad 1.3.0",
        "fix available via npm audit fix",
    ),
)
SPREADSHEETS = (
    spreadsheet(
        "Stock.xlsx",
        ("Item", "Qty", "Price", "Total"),
        ("Mount CM-200", "3", "29.00", "87.00"),
        ("Switch 8 port", "1", "129.50", "129.50"),
        ("Cable 5 m", "12", "4.20", "50.40"),
        ("Sum", "16", "", "266.90"),
    ),
    spreadsheet(
        "Hours",
        ("Name", "Mon", "Tue", "Wed", "Thu"),
        ("Anna", "8.0", "7.5", "8.0", "6.0"),
        ("Ben", "8.0", "8.0", "0.0", "8.0"),
        ("Chloe", "4.0", "4.0", "4.5", "4.0"),
        ("Total", "20.0", "19.5", "12.5", "18.0"),
    ),
    spreadsheet(
        "Invoices 2026",
        ("No", "Customer", "Amount", "Status"),
        ("4711", "Northwind", "1,284.50", "open"),
        ("4712", "Contoso", "310.00", "paid"),
        ("4713", "Fabrikam", "98.20", "paid"),
        ("4714", "Tailspin", "5,020.00", "open"),
    ),
    spreadsheet(
        "Marks",
        ("Student", "Maths", "Art", "Music"),
        ("Okafor", "88", "92", "75"),
        ("Petrov", "91", "67", "80"),
        ("Quinn", "73", "73", "99"),
        ("Rossi", "64", "81", "81"),
    ),
    spreadsheet(
        "Flights",
        ("Flight", "To", "Gate", "Time"),
        ("LH 454", "San Francisco", "B24", "10:05"),
        ("BA 916", "London", "A12", "10:20"),
        ("AF 1519", "Paris", "A18", "10:20"),
        ("SK 672", "Oslo", "C03", "11:45"),
    ),
)
CHATS = (
    chat(
        "#billing",
        ("# general", "# random", "# support"),
        ("Ana", "10:42", "Can you pay invoice 4711 today?"),
        ("Ben", "10:43", "Yes, right after the stand-up"),
        ("Ana", "10:45", "Thanks! Deploy at 18:00 then"),
    ),
    chat(
        "Priya Raman",
        ("Priya Raman", "Marc Dupont", "Sales team"),
        ("Marc", "14:02", "The offer is 12,400 EUR"),
        ("Priya", "14:03", "Too high, ask for 11,900"),
        ("Marc", "14:09", "They accept 12,000"),
    ),
    chat(
        "Incident 503",
        ("Incident 503", "On call", "Status page"),
        ("Bot", "03:17", "upstream connect error, request 7f3a"),
        ("Lena", "03:21", "Rolling back to v2.13.9"),
        ("Bot", "03:29", "Resolved after 12 minutes"),
    ),
    chat(
        "Family",
        ("Family", "School", "Football"),
        ("Mum", "18:30", "Dinner is at seven"),
        ("Tom", "18:31", "I am late, train 20 minutes"),
        ("Mum", "18:32", "Fine, we wait until 19:20"),
    ),
    chat(
        "Design",
        ("Design", "Research", "Hiring"),
        ("Yuki", "09:12", "New logo is in folder Brand v3"),
        ("Omar", "09:15", "The blue is #0b5fa5 now"),
        ("Yuki", "09:15", "Great, ship it on Monday"),
    ),
)
PAGES = (
    page(
        "Trail shoes Fell 3",
        "shop.example/shoes/fell-3",
        "Price 129.90 EUR, in stock: 4",
        "Sizes 41 to 46, weight 280 g",
        "Delivery on Tuesday, 2 December",
        "Free returns within 60 days",
    ),
    page(
        "Train to Vienna",
        "rail.example/trips/88213",
        "Departs 07:32 from platform 9",
        "Arrives 11:58, change in Graz",
        "Seat 64, coach 23",
        "Booking code QX7L2M",
    ),
    page(
        "Northwind GmbH",
        "crm.example/accounts/552",
        "Contact: Dana Whitfield, +49 30 1234567",
        "Contract 2024-118, renews on 1 July",
        "Open amount 1,284.50 EUR",
        "Last call: 14 November",
    ),
    page(
        "Rainfall warning",
        "weather.example/alerts",
        "Level orange for Galway and Mayo",
        "Valid from Friday 18:00",
        "Up to 60 mm in 12 hours",
        "Rivers may flood",
    ),
    page(
        "Pull request 1042",
        "code.example/api/merge/1042",
        "Fix the rounding of refunds",
        "Approved by okafor, 2 comments left",
        "Checks: 17 passed, 1 failed",
        "Branch fix/refund-cents",
    ),
)
EDITORS = (
    editor(
        "refund.py",
        ("api", "models.py", "refund.py", "README.md"),
        "def refund(order, cents):",
        "    if cents > order.paid:",
        "        raise ValueError(order.id)",
        "    return order.paid - cents",
        "# limit is 50000",
    ),
    editor(
        "deploy.yaml",
        ("charts", "deploy.yaml", "values.yaml"),
        "replicas: 4",
        "image: registry/shop:2.14.1",
        "memory: 512Mi",
        "port: 8443",
    ),
    editor(
        "index.html",
        ("css", "index.html", "logo.svg"),
        "<h1>Spring sale</h1>",
        "<p>From 3 April, 20 % off</p>",
        "<a href=/terms>Terms</a>",
    ),
    editor(
        "schema.sql",
        ("migrations", "schema.sql"),
        "CREATE TABLE payments (",
        "id BIGINT PRIMARY KEY,",
        "amount NUMERIC(12, 2),",
        "status TEXT DEFAULT 'open'",
    ),
    editor(
        "main.go",
        ("cmd", "main.go", "go.mod"),
        "func main() {",
        'srv := http.Server{Addr: ":9090"}',
        'log.Println("listening")',
        "timeout := 30 * time.Second",
    ),
)
PLAYERS = (
    player(
        "Safety briefing",
        Clock(83, form="{mm}:{s:02d}"),
        "14:05",
        "Assembly point: car park B",
        "Alarm test every Monday at 12:00",
    ),
    player("Recording of 14 May", Clock(3605), "01:22:40", "Speaker: Prof. Ito", "Topic: tidal power"),
    player("Auction lot 88", Clock(299, -1, "{mm:02d}:{s:02d}"), "lot 88", "Highest bid 7,250 EUR", "Reserve met"),
    player("Exam hall 2", Clock(5400, -1), "90 minutes", "Seats 118", "No phones, no bags"),
    player("Match", Clock(44 * 60 + 12, form="{mm}:{s:02d}"), "90", "Leeds 2 - 1 Derby", "Attendance 31,204"),
)
SCREENS: dict[str, tuple[DrawnScreen, ...]] = {
    "slides": SLIDES,
    "dashboards": DASHBOARDS,
    "terminals": TERMINALS,
    "spreadsheets": SPREADSHEETS,
    "chats": CHATS,
    "pages": PAGES,
    "editors": EDITORS,
    "players": PLAYERS,
}
