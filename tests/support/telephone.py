"""Files of a telephone system, as Asterisk writes them."""

from collections.abc import Mapping

ROW: Mapping[str, str] = {
    "accountcode": "",
    "src": "13800138000",
    "dst": "96968",
    "dcontext": "from-trunk",
    "clid": '"13800138000" <13800138000>',
    "channel": "PJSIP/trunk-00000a01",
    "dstchannel": "PJSIP/chen-00000a02",
    "lastapp": "Dial",
    "lastdata": "PJSIP/chen,30,tT",
    "start": "2026-08-03 12:00:00",
    "answer": "2026-08-03 12:00:12",
    "end": "2026-08-03 12:01:40",
    "duration": "100",
    "billsec": "88",
    "disposition": "ANSWERED",
    "amaflags": "DOCUMENTATION",
    "uniqueid": "1785729600.2561",
    "userfield": "",
}
"""A call that is answered by an agent, at noon in Zhongshan."""
UNQUOTED = ("duration", "billsec")
QUEUED: Mapping[str, str] = {"lastapp": "Queue", "lastdata": "hotline,tT,,,300"}
"""Values of a call through a queue."""
NOBODY: Mapping[str, str] = {"answer": "", "billsec": "0", "disposition": "NO ANSWER"}
"""Values of a call that nobody answers."""


def cdr(columns: int = 18, /, **values: str) -> str:
    """Return a row of the first so many columns; `values` replace those of `ROW`."""
    cells = list({**ROW, **values}.items())[:columns]
    return ",".join(_cell(name, value) for name, value in cells) + "\n"


def _cell(name: str, value: str) -> str:
    # An instant that there is not is written without quotation marks.
    return value if name in UNQUOTED or (not value and name == "answer") else '"' + value.replace('"', '""') + '"'


NOON = 1785729600
"""Noon of 3 August 2026 in Zhongshan, in seconds since 1970."""
QUEUE_LOG = f"""\
{NOON - 30}|NONE|NONE|NONE|QUEUESTART|
{NOON}|1785729600.1|hotline|NONE|ENTERQUEUE||13800138000|1
{NOON + 4}|1785729600.1|hotline|PJSIP/he|RINGNOANSWER|3000
{NOON + 12}|1785729600.1|hotline|PJSIP/chen|CONNECT|12|1785729604.2|5
{NOON + 15}|1785729615.7|hotline|NONE|ENTERQUEUE||88238777|1
{NOON + 20}|NONE|NONE|PJSIP/he|PAUSEALL|lunch
{NOON + 75}|1785729615.7|hotline|NONE|ABANDON|1|1|60
{NOON + 100}|1785729600.1|hotline|PJSIP/chen|COMPLETECALLER|12|88|1
"""
"""An answered and an abandoned call."""
