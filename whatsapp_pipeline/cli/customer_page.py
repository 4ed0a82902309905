"""A customer's dossier as one self-contained HTML page that prints on paper.

Everything a customer or the ERP wrote is escaped; the page loads nothing from anywhere.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any

from whatsapp_pipeline.cli.customer_words import conversation_line, metrics, order_line
from whatsapp_pipeline.domain.summaries.text import SENTIMENT_WORDS
from whatsapp_pipeline.steps.summaries.customer import Dossier

_WIDTH, _HEIGHT, _LEFT, _BASE = 720, 150, 34, 120
_COLOURS = {"positive": "#2e7d4f", "neutral": "#8a8f98", "negative": "#c0392b"}
_SIDES = {"from": "cliente", "to": "equipe"}
_MAX_BARS = 60
_STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:#1d2330;background:#fff;
margin:2rem auto;max-width:760px;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem;border-bottom:1px solid #d8dce3}
.sub{color:#5a6270;margin:.1rem 0 1rem}table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;width:11.5rem;vertical-align:top}td,th{padding:.15rem .4rem .15rem 0}
ol{padding-left:1.2rem}li{margin:.25rem 0}blockquote{margin:.15rem 0 .35rem;color:#444c59;font-size:.9rem;
border-left:3px solid #d8dce3;padding-left:.6rem;overflow-wrap:anywhere}
.m{margin:.2rem 0;overflow-wrap:anywhere}.m time{color:#5a6270;font-size:.85rem}.to{color:#3b4656}
svg{width:100%;height:auto}svg text{font-size:11px;fill:#5a6270}
.note{color:#5a6270;font-size:.85rem}
@media print{body{margin:0;max-width:none;font-size:11pt}h2{break-after:avoid}li,tr,.m{break-inside:avoid}
@page{margin:1.6cm}}
"""


def _months(first: datetime, last: datetime) -> list[tuple[int, int]]:
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    start = first.year * 12 + first.month - 1
    return [divmod(start + offset, 12) for offset in range(count)]


def timeline(conversations: list[dict[str, Any]]) -> str:
    """Draw messages a month as bars, coloured by the sentiment of the month's conversations."""
    if not conversations:
        return ""
    months = _months(conversations[0]["started_at"], conversations[-1]["started_at"])[-_MAX_BARS:]
    bars: dict[tuple[int, int], dict[str, int]] = {month: {} for month in months}
    for conversation in conversations:
        at = conversation["started_at"]
        bar = bars.get((at.year, at.month - 1))
        if bar is not None:
            name = conversation["sentiment"]
            bar[name] = bar.get(name, 0) + conversation["message_count"]
    tallest = max((sum(bar.values()) for bar in bars.values()), default=0) or 1
    step = (_WIDTH - _LEFT) / len(months)
    parts = []
    for place, (year, month) in enumerate(months):
        x, y = _LEFT + place * step, float(_BASE)
        for name, colour in _COLOURS.items():
            height = bars[year, month].get(name, 0) / tallest * (_BASE - 14)
            if height:
                y -= height
                parts.append(
                    f'<rect x="{x + 1:.1f}" y="{y:.1f}" width="{min(step - 2, 40):.1f}" '
                    f'height="{height:.1f}" fill="{colour}"><title>{month + 1:02d}/{year}: '
                    f"{bars[year, month][name]} mensagens, {SENTIMENT_WORDS[name]}</title></rect>"
                )
        if place % max(1, round(len(months) / 8)) == 0:
            parts.append(f'<text x="{x + 1:.1f}" y="{_BASE + 15}">{month + 1:02d}/{year % 100:02d}</text>')
    legend = " ".join(
        f'<rect x="{_LEFT + 110 * place}" y="{_HEIGHT - 9}" width="9" height="9" fill="{colour}"/>'
        f'<text x="{_LEFT + 110 * place + 13}" y="{_HEIGHT}">{SENTIMENT_WORDS[name]}</text>'
        for place, (name, colour) in enumerate(_COLOURS.items())
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 6}" role="img" aria-label="Mensagens por mês">'
        f'<line x1="{_LEFT}" y1="{_BASE}" x2="{_WIDTH}" y2="{_BASE}" stroke="#b7bdc8"/>'
        f'<text x="0" y="22">{tallest}</text><text x="0" y="{_BASE}">0</text>{"".join(parts)}{legend}</svg>'
    )


def _summary(known: Dossier, summary: dict[str, Any]) -> str:
    items = []
    for claim in summary["claims"]:
        quotes = []
        for ref in claim["messages"][:3]:
            quote = known.quotes.get(ref)
            if quote and quote["text"]:
                said = escape(" ".join(quote["text"].split())[:240])
                side = _SIDES.get(quote["direction"], "")
                quotes.append(f"<blockquote>{quote['at']:%d/%m/%Y %H:%M}, {side}: “{said}”</blockquote>")
        items.append(f"<li>{escape(claim['text'])}{''.join(quotes)}</li>")
    rows = "".join(f"<tr><th>{escape(n)}</th><td>{escape(v)}</td></tr>" for n, v in metrics(summary))
    abstract = (
        f"<h2>Nas palavras de um modelo</h2><p>{escape(summary['abstract'])}</p>"
        if summary["abstract"]
        else ""
    )
    return f"<h2>Resumo</h2><ol>{''.join(items)}</ol>{abstract}<h2>Números</h2><table>{rows}</table>"


def _message(message: dict[str, Any]) -> str:
    said = escape((message["text"] or f"[{message['type']}]")[:1000]).replace("\n", "<br>")
    side = _SIDES.get(message["direction"], "aviso")
    kind = message["direction"] if message["direction"] in _SIDES else "notice"
    return f'<div class="m {kind}"><time>{message["at"]:%d/%m/%Y %H:%M}</time> <b>{side}</b> {said}</div>'


def page(known: Dossier) -> str:
    """Return the page's HTML."""
    contact, summary = known.contact, known.summary
    name = escape(contact["nome"] or "Sem nome")
    reach = " · ".join(
        escape(value) for value in (contact["celular"], contact["telefone"], contact["email"]) if value
    )
    parts = [
        '<!doctype html><html lang="pt-BR"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{name}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{name}</h1><p class="sub">Contato {contact["id"]}{" · " + reach if reach else ""}</p>',
    ]
    if summary is None:
        parts.append("<p>Ainda sem resumo: nenhuma conversa ligada, ou o resumo não foi calculado.</p>")
    else:
        parts.append(_summary(known, summary))
    if known.conversations:
        parts.append(f"<h2>Mensagens por mês</h2>{timeline(known.conversations)}")
        lines = (f"<li>{escape(conversation_line(c))}</li>" for c in reversed(known.conversations[-12:]))
        parts.append(f"<h2>Últimas conversas</h2><ol>{''.join(lines)}</ol>")
    if known.orders:
        lines = (f"<li>{escape(order_line(order))}</li>" for order in known.orders)
        parts.append(f"<h2>Ordens de serviço</h2><ol>{''.join(lines)}</ol>")
    if known.messages:
        parts.append(f"<h2>Últimas mensagens</h2>{''.join(map(_message, known.messages))}")
    if summary is not None:
        parts.append(
            f'<p class="note">Resumo calculado em {summary["computed_at"]:%d/%m/%Y %H:%M}. '
            "O sentimento é uma estimativa por regras; cada frase cita as mensagens em que se apoia.</p>"
        )
    parts.append("</body></html>")
    return "".join(parts)
