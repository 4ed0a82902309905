"""Every text that the console shows, in Portuguese as a Brazilian writes it.

What belongs here: words. What does not: markup (templates/console/) and what customers wrote. Templates know
this module as `t`.
"""

from __future__ import annotations

CONSOLE = "Atendimento"
SKIP = "Ir para o conteúdo"
HOME = "Início"
SEARCH = "Busca"
SEARCH_HINT = "Nome, telefone, nº da OS ou palavras"
SEARCH_BUTTON = "Buscar"
SEARCH_HINT_READER = "Nome do cliente ou nº da OS"
LOG_OUT = "Sair"
ACCOUNT = "Minha conta"
LEVELS = {"reader": "Leitura", "analyst": "Análise", "reviewer": "Revisão"}
LEVEL_MEANS = {
    "reader": "Você vê resumos, ordens de serviço e indicadores. Mensagens e telefones não aparecem.",
    "analyst": "Você vê também as mensagens. Cada consulta a mensagens fica registrada.",
    "reviewer": "Você vê as mensagens e pode decidir vínculos. Cada consulta a mensagens fica registrada.",
}

# Logging in
LOG_IN = "Entrar"
USER = "Usuário"
PASSWORD = "Senha"  # noqa: S105  # a label
LOGIN_FAILED = "Usuário ou senha não conferem."
WAIT_BEFORE_LOGIN = "Muitas tentativas sem sucesso. Espere alguns minutos e tente de novo."
LINK_USED = "Este link já foi usado ou venceu. Peça outro a quem administra o sistema."
ONCE_TITLE = "Entrar com este link"
ONCE_TEXT = "O link funciona uma única vez. Depois de entrar, defina a sua senha."

# Account
LEVEL = "Nível de acesso"
NEW_PASSWORD_TITLE = "Definir senha"  # noqa: S105  # a heading
CURRENT_PASSWORD = "Senha atual"  # noqa: S105  # a label
NEW_PASSWORD = "Nova senha"  # noqa: S105  # a label
NEW_PASSWORD_AGAIN = "Repita a nova senha"  # noqa: S105  # a label
SAVE_PASSWORD = "Salvar senha"  # noqa: S105  # a button
PASSWORD_SAVED = "Senha salva. As outras sessões foram encerradas."  # noqa: S105  # a message
PASSWORD_RULE = "Pelo menos 10 caracteres."  # noqa: S105  # a hint
PASSWORD_LENGTH = "A senha precisa ter de 10 a 200 caracteres."  # noqa: S105  # a message
PASSWORDS_DIFFER = "As duas senhas são diferentes."
PASSWORD_HAS_NAME = "A senha não pode conter o nome do usuário."  # noqa: S105  # a message
PASSWORD_WRONG = "A senha atual não confere."  # noqa: S105  # a message

# Pages that say why there is no page: (title, text)
REFUSALS = {
    "bad_request": ("Endereço inválido", "O endereço tem um valor que não serve. Volte e tente de novo."),
    "forged": (
        "Pedido recusado",
        "O pedido não veio de uma página deste sistema. Abra a página de novo e repita a ação.",
    ),
    "not_allowed": (
        "Sem acesso",
        "O seu nível de acesso não permite ver esta página. Fale com quem administra o sistema.",
    ),
    "not_found": ("Não encontrado", "Não existe nada neste endereço, ou já foi apagado."),
    "wrong_method": ("Pedido inválido", "Este endereço não aceita este tipo de pedido."),
    "too_large": ("Pedido grande demais", "O que foi enviado passa do limite."),
    "unknown_host": (
        "Endereço desconhecido",
        "O sistema não atende por este nome. Quem administra pode incluí-lo em CONSOLE_HOSTS.",
    ),
    "too_slow": (
        "Busca ampla demais",
        "O termo é comum demais para uma busca em tudo. Informe um período, um cliente ou mais uma palavra.",
    ),
    "failure": ("Algo deu errado", "A página não pôde ser montada. O erro foi registrado; tente de novo."),
    "busy": ("Sistema ocupado", "Há muitos pedidos neste momento. Espere um pouco e tente de novo."),
    "no_database": (
        "Banco de dados indisponível",
        "O banco de dados não respondeu. Tente de novo em instantes.",
    ),
}
BACK_HOME = "Voltar ao início"

# Home
COVERAGE = "Conversas com cliente identificado, por mês"
MONTH = "Mês"
CHATS = "Conversas"
LINKED = "Com cliente"
SHARE = "Parte"
RECENT_ORDERS = "Ordens de serviço recentes"
NO_ORDERS = "Nenhuma ordem de serviço ainda."
NO_COVERAGE = "Nenhuma conversa carregada ainda."
FAILING_CHECKS = "Ocorrências nas verificações de dados"
NO_FAILING_CHECKS = "Nenhuma ocorrência na última avaliação."
FAILING_NOTE = "Linhas que não passaram na última avaliação. Tolerâncias e aceites estão no Dagster."
ERROR = "erro"
OPEN_DAGSTER = "Abrir no Dagster"
CHECK = "Verificação"
FAILING = "Linhas"
NO_MONTH = "sem mês"
ORDER_NUMBER = "OS"
CUSTOMER = "Cliente"
STATUS = "Situação"
OPENED = "Abertura"
