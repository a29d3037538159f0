"""Days, times and numbers as people in Finland write them. Instants are UTC inside and shown in Helsinki time."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import format_decimal, format_percent

HELSINKI = ZoneInfo("Europe/Helsinki")

LOCALES = {"fi": "fi_FI", "sv": "sv_FI", "en": "en_GB"}

# Babel's short dates for sv_FI follow Sweden (2026-03-05); Finnish Swedish writes 5.3.2026, as Finnish does.
DAY = {"fi": "d.M.yyyy", "sv": "d.M.yyyy", "en": "d MMM yyyy"}
CLOCK = {"fi": "H.mm", "sv": "H.mm", "en": "HH:mm"}


def local_day(value: date | datetime | str) -> date:
    """The calendar day in Helsinki of a day, an instant or an ISO text of either."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    return value.astimezone(HELSINKI).date() if isinstance(value, datetime) else value


def day(value: date | datetime | str | None, lang: str) -> str:
    """`5.3.2026` (fi, sv), `5 Mar 2026` (en); empty for None."""
    return "" if value is None else format_date(local_day(value), DAY[lang], LOCALES[lang])


def clock(value: datetime | None, lang: str) -> str:
    """`9.05` (fi, sv), `09:05` (en), Helsinki time; empty for None."""
    if value is None:
        return ""
    return format_time(value.astimezone(HELSINKI), CLOCK[lang], tzinfo=HELSINKI, locale=LOCALES[lang])


def moment(value: datetime | None, lang: str) -> str:
    """Day and time: `5.3.2026 9.05`."""
    if value is None:
        return ""
    pattern = f"{DAY[lang]} {CLOCK[lang]}"
    return format_datetime(value.astimezone(HELSINKI), pattern, tzinfo=HELSINKI, locale=LOCALES[lang])


def ago(value: datetime | None, now: datetime, lang: str) -> str:
    """`5 minuuttia sitten`: how long before `now`; a coming instant says how long after."""
    if value is None:
        return ""
    return format_timedelta(value - now, granularity="second", add_direction=True, locale=LOCALES[lang])


def number(value: float | None, lang: str, decimals: int = 0) -> str:
    """`1 234,5` with a no-break space and the language's decimal mark; at most `decimals` decimals."""
    if value is None:
        return ""
    return format_decimal(value, "#,##0." + "#" * decimals if decimals else "#,##0", LOCALES[lang])


def percent(value: float | None, lang: str, decimals: int = 0) -> str:
    """A share (0.4) as `40 %`."""
    if value is None:
        return ""
    pattern = format_percent(value, locale=LOCALES[lang]) if decimals == 0 else None
    return pattern or format_decimal(value * 100, "#,##0." + "#" * decimals, LOCALES[lang]) + "\u00a0%"
