"""A commitment in Portuguese words, for the terminal and for pages."""

from __future__ import annotations

from decimal import Decimal

from whatsapp_pipeline.domain.summaries.wording import say_date, say_length, say_money
from whatsapp_pipeline.store.summaries.commitment_lists import CommitmentLine

KIND_WORDS = {
    "price_quoted": "orçamento",
    "deadline_promised": "prazo prometido",
    "warranty_given": "garantia",
    "quote_approved": "orçamento aprovado",
    "quote_refused": "orçamento recusado",
    "pickup_agreed": "retirada combinada",
    "payment_announced": "pagamento avisado",
}
STATUS_WORDS = {
    "open": "em aberto",
    "due": "vence hoje",
    "overdue": "atrasado",
    "noted": "",
    "superseded": "substituído",
    "approved": "aprovado",
    "refused": "recusado",
    "kept": "cumprido",
    "broken": "descumprido",
}


def whose_commitment(line: CommitmentLine) -> str:
    """Return the customer's name or, if the chat has no customer, the chat: "chat 12 (sem cliente)"."""
    if line.id_contato is not None:
        return line.nome or "Sem nome"
    chat = f"chat {line.id_chat_file}" if line.id_chat_file else f"conversa {line.conversation_id}"
    return f"{chat} (sem cliente)"


def commitment_line(line: CommitmentLine) -> str:
    """Return a commitment as one line of text: its kind, due date, order, date and status."""
    what = KIND_WORDS[line.kind]
    if line.amount is not None:
        what += f" de {say_money(Decimal(line.amount))}"
    if line.length is not None:
        what += f" de {say_length(line.length)}"
    if line.due_on is not None:
        what += f" para {say_date(line.due_on)}"
        what += f" às {line.due_time:%H:%M}" if line.due_time else ""
    order = f", OS {line.numero_ordem_servico or line.id_ordem_servico}" if line.id_ordem_servico else ""
    status = STATUS_WORDS[line.status]
    return f"{what}{order} (dito em {say_date(line.said_at)}){f': {status}' if status else ''}"
