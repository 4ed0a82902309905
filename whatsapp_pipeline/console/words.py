"""All texts of the console, in Brazilian Portuguese.

What belongs here: texts. What does not: markup (templates/console/), the sentences about evidence
(evidence_words.py), and messages of customers. In templates, the name of this module is `t`.
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
LEVELS = {"reader": "Leitor", "analyst": "Analista", "reviewer": "Revisor"}
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

# Error pages: (title, text)
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
    "bad_link": ("Link inválido", "Este link não é válido. Abra a OS de novo no seu sistema."),
    "expired_link": (
        "Link vencido",
        "Este link vale por pouco tempo e já venceu. Abra a OS de novo no seu sistema para receber outro.",
    ),
    "no_attachment": (
        "Anexo não encontrado",
        "O anexo não está no arquivo de conversas: não foi exportado com a conversa ou já foi removido.",
    ),
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

# Nouns that follow a count: (one, more)
MESSAGES_COUNTED = ("mensagem", "mensagens")
CHATS_COUNTED = ("conversa", "conversas")
DAYS_COUNTED = ("dia", "dias")

# Home
COVERAGE = "Conversas com cliente identificado, por mês"
MONTH = "Mês"
CHATS = "Conversas"
LINKED = "Com cliente"
SHARE = "Percentual"
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

# Commitments
COMMITMENTS = "Combinados"
DUE_TODAY = "Vencem hoje"
OVERDUE = "Atrasados"
QUOTES_WAITING = "Orçamentos sem resposta"
PROMISED = "O que foi combinado"
NOTHING_PROMISED = "Nada vence hoje e nada está atrasado."
ALL_COMMITMENTS = "Ver todos os combinados"
BROKEN = "Descumpridos"
COMMITMENT_LISTS = {
    "waiting": "Vencem hoje ou estão atrasados",
    "due": "Vencem hoje",
    "overdue": "Atrasados",
    "quotes": "Orçamentos sem resposta",
    "broken": "Descumpridos",
    "open": "Todos em aberto",
}
COMMITMENTS_NOTE = "O que foi dito há mais de 90 dias não aparece aqui; a página do cliente tem tudo."
MESSAGE = "Mensagem"
SEE_MESSAGE = "Ver mensagem"
NEXT_COMMITMENTS = "Mais combinados"
NO_COMMITMENTS = "Nenhum combinado nesta lista."
NO_MORE_COMMITMENTS = "Não há mais combinados nesta lista."

# Customers
CUSTOMER_NUMBER = "Cliente nº"
NO_NAME = "Sem nome"
SUMMARY = "Resumo"
NO_SUMMARY = "Ainda sem resumo: nenhuma conversa ligada a este cliente, ou o resumo ainda não foi calculado."
COMPUTED = "Calculado em"
STALE_SUMMARY = (
    "Uma decisão mudou as conversas ligadas a este cliente depois do último cálculo. O resumo, os números e"
    " o que está em aberto serão recalculados na próxima execução."
)
STALE = "será recalculado na próxima execução"
STALE_NOTE = "Uma decisão mudou as conversas deste cliente depois do último cálculo."
CITED = "mensagem"
OPEN_SINCE = "Em aberto desde"
OPEN_REASONS = {"unanswered": "sem resposta", "order": "OS em andamento"}
FIGURES = "Números"
ORDERS = "Ordens de serviço"
CUSTOMER_WITHOUT_ORDERS = "Nenhuma ordem de serviço."
OLDER_ORDERS = "Ordens mais antigas"
MORE_ORDERS = "Há mais ordens de serviço; aqui estão as mais recentes. Busque as outras pelo número."
SENTIMENT = "Mensagens por mês e sentimento estimado"
SENTIMENTS = {"positive": "positivo", "neutral": "neutro", "negative": "negativo"}
AS_TABLE = "Ver como tabela"
MESSAGES = "Mensagens"
NOTE = "Nota fixada"
NO_NOTE = "Nenhuma nota. O que todos devem saber ao abrir este cliente?"
EDIT_NOTE = "Editar nota"
ADD_NOTE = "Escrever nota"
SAVE = "Salvar"
CANCEL = "Cancelar"
NOTE_BY = "por"
NOTE_LABEL = "Nota para quem atende (vazia: remove a nota)"
READER_HAS_NO_MESSAGES = "As mensagens não aparecem no seu nível de acesso."

# Conversations
CONVERSATION = "Conversa"
CONVERSATION_OF = "Conversa de"
CHAT_WITHOUT_CUSTOMER = "Conversa sem cliente identificado"
OPEN_CUSTOMER = "Ver o cliente"
FILE_STATES = {
    "pending": "ainda não lida",
    "linked": "vinculada, com as mensagens ainda por carregar",
    "loaded": "carregada",
    "failed": "o arquivo não pôde ser lido",
    "vanished": "o arquivo não está mais na pasta de conversas",
}
COPY_OF = "Cópia de"
REPEATED = "Já constam de exportações anteriores"
OLDER = "Mensagens mais antigas"
NEWER = "Mensagens mais novas"
NEWEST = "Ir para as últimas"
JUMP = "Ir para a data"
GO = "Ir"
FIND_HERE = "Localizar nesta conversa"
FIND = "Localizar"
FOUND_NONE = "Nenhuma mensagem com"
FOUND_OF = "de"
NEWEST_HITS = "mais recentes"
PREVIOUS_HIT = "Anterior"
NEXT_HIT = "Próxima"
END_FIND = "Encerrar busca"
NO_MESSAGES = "Nenhuma mensagem."
SIDES = {
    "from": "Cliente",
    "to": "Equipe",
    "unsent": "Equipe (não enviada)",
    "notification": "Aviso",
}
UNKNOWN_SIDE = "Lado desconhecido"
DELETED = "Mensagem apagada"
EDITED = "editada"
READ_WHOLE = "Ler a mensagem inteira"
BEFORE_EDIT = "Antes da edição"
IN_REPLY_TO = "Em resposta a"
NOT_IN_ARCHIVE = "não está no arquivo de conversas"
DOWNLOAD = "Baixar"
TO_CONVERSATION = "Ir para a conversa"
ATTACHMENTS = {
    "image": "Imagem",
    "audio": "Áudio",
    "video": "Vídeo",
    "document": "Documento",
    "sticker": "Figurinha",
    "gif": "GIF",
    "contact": "Contato",
    "contacts": "Contato",
    "location": "Localização",
    "media": "Mídia",
    "media_placeholder": "Mídia",
}
MESSAGE_TYPES = {
    "text": "Mensagem sem texto",
    "call": "Ligação",
    "system": "Aviso",
    "location": "Localização",
    "contacts": "Contato",
    "button": "Resposta por botão",
    "interactive": "Resposta",
    "reaction": "Reação",
    "order": "Pedido do catálogo",
    "template": "Mensagem automática",
    "unsupported": "Mensagem que o WhatsApp não entrega aqui: veja no celular",
}
UNKNOWN_TYPE = "Mensagem de outro tipo"
LED_HERE = {"referral": "Veio do anúncio", "product": "Sobre o produto"}
STATES = {
    "sent": "enviada",
    "delivered": "entregue",
    "read": "lida",
    "played": "ouvida",
    "failed": "falhou",
}
LINK_TO_MESSAGE = "Copiar o endereço desta mensagem"
LINK_COPIED = "Endereço copiado."
LIVE = "ao vivo"
PRINT = "Imprimir"
EXPORT = "Exportar"

# Paper and file
BACK = "Voltar"
APPLY_PERIOD = "Aplicar período"
MADE_BY = "Gerado por"
PERIOD = "Período"
FROM_THE_START = "do início"
TO_THE_END = "o fim"
SOURCES = "Fontes"
FROM_ARCHIVE = "do arquivo de conversas"
FROM_WEBHOOK = "recebidas ao vivo"
SIDES_COUNTED: dict[str | None, str] = {
    "from": "do cliente",
    "to": "da equipe",
    "unsent": "não enviadas",
    "notification": "avisos",
    None: "de lado desconhecido",
}
CUT_AT = "Aqui estão só as primeiras"
CUT_HINT = "Escolha um período para ver o restante."

# Orders
ORDER = "Ordem de serviço"
ORDER_CHOICE = "Qual ordem de serviço?"
ORDER_CHOICE_TEXT = "Há mais de uma ordem com este número."
CLOSED = "Conclusão"
DEVICE = "Equipamento"
SESSIONS = "Atendimentos ligados a esta OS"
NO_SESSIONS = "Nenhuma conversa foi ligada a esta ordem de serviço."
BEFORE_SESSION = ("mensagem de outro assunto antes", "mensagens de outros assuntos antes")
LINK_METHODS = {
    "override": "decidido por uma pessoa",
    "direct_os_ref": "número da OS citado",
    "temporal_match": "pela data",
    "equipment_match": "pela data e pelo aparelho",
    "model": "pelo conjunto das evidências",
    "exact_phone": "pelo telefone do título",
    "normalized_phone": "pelo telefone do título",
    "secondary_phone": "pelo telefone fixo",
    "phone_header": "pelo telefone dentro do arquivo",
    "order_number": "pelo número de uma OS",
    "name_match": "pelo nome",
}
UNKNOWN_METHOD = "método não registrado"
CONFIDENCE = "confiança"
HOW_LINKED = "Vínculo"
NO_DATE = "não informada"

# Search
RESULTS_MESSAGES = "Mensagens"
RESULTS_CUSTOMERS = "Clientes"
RESULTS_ORDERS = "Ordens de serviço"
DID_YOU_MEAN = "Você quis dizer"
NOTHING_FOUND = "Nenhuma mensagem encontrada."
SEARCH_START = (
    "Escreva um nome, parte de um telefone, o número de uma OS ou palavras de uma mensagem. "
    'Use aspas para uma frase exata ("tela quebrada"), OR entre alternativas e - para excluir uma palavra.'
)
SEARCH_START_READER = "Escreva o nome de um cliente ou o número de uma OS."
TOO_COMMON = (
    "O termo aparece em mensagens demais para ordenar por relevância. Informe início e fim do período, um "
    "cliente ou mais uma palavra."
)
SHOW_NEWEST = "Ver as mais recentes"
NOTHING_FOUND_READER = "Nenhum cliente e nenhuma ordem de serviço encontrados."
YES, NO = "Sim", "Não"
WORDS = "Palavras"
EXACT_PHRASE = "Frase exata"
SINCE = "De"
UNTIL = "Até"
SIDE = "Quem escreveu"
ANY_SIDE = "Todos"
KIND = "Anexo"
ANY_KIND = "Com ou sem"
SORT = "Ordenar por"
SORTS = {"rank": "Mais relevantes", "date": "Mais recentes"}
CUSTOMER_FILTER = "Cliente"
CUSTOMER_FILTER_HINT = "nome, telefone ou nº"
ORDER_FILTER = "Nº da OS"
WHICH_ONE = "Qual deles?"
NOBODY_FITS = "Nenhum cliente ou nenhuma OS com o que foi informado. Corrija ou apague o campo."
ONLY_CUSTOMER = "Só nas mensagens de"
ONLY_ORDER = "Só na OS"
REMOVE_FILTER = "remover"
NEXT_PAGE = "Próximos resultados"
FIRST_PAGE = "Primeiros resultados"
NO_CUSTOMER = "sem cliente"
MORE_CUSTOMERS = "Há mais clientes: escreva mais uma parte do nome."
LAST_TALK = "última conversa em"
SEARCH_IN_CUSTOMER = "Buscar nas mensagens deste cliente"
SEARCH_IN_ORDER = "Buscar nas mensagens desta OS"

# The blind sample of the review
EVEN_ODDS = "antes das evidências: tanto pode ser quanto não ser (50%)"
NEXT_ITEMS = "Próximos itens"
FIRST_ITEMS = "Voltar aos de maior valor"
NO_MORE_ITEMS = "Não há mais itens na fila."
SAMPLE = "Amostra às cegas"
SAMPLE_NOTE = "Você diz de quem é a conversa sem ver o vínculo; a resposta mede quantos estão certos."
SAMPLE_BLIND = "O vínculo que as regras fizeram aparece só depois da sua resposta."
SAMPLE_NONE = "Nenhum deles"
SAMPLE_UNSURE = "Não dá para saber"
SAMPLE_DONE = "Todos os vínculos das regras já foram conferidos."
SAMPLE_MEANWHILE = "Este vínculo já foi conferido ou mudou desde que você abriu a página."
SAMPLE_NEXT = "Próxima conversa da amostra"
SAMPLE_REASON = "conferido às cegas no console"
SAMPLE_VERDICTS = {
    "right": "Certo.",
    "wrong": "Errado: o vínculo foi desfeito.",
    "unsure": "Sem certeza.",
}
SAMPLE_LINKED = "As regras tinham vinculado a"
SAMPLE_NOT_KEPT = (
    "O cliente indicado não pôde ser gravado, porque outra decisão vale para esta conversa: decida na fila."
)
SAMPLE_GUARANTEE = "Vínculos certos: pelo menos"
SAMPLE_VERDICTS_COUNTED = "conferidos"
SAMPLE_NOT_RIGHT = "errados ou sem certeza"
SAMPLE_LINKS = "vínculos ao todo"
SAMPLE_KEY_LIST = (
    ("1–9", "escolher o cliente"),
    ("n", "nenhum deles"),
    ("i", "não dá para saber"),
    ("o", "procurar outro"),
    ("?", "mostrar as teclas"),
)

# Review
REVIEW = "Revisão"
HISTORY = "Decisões tomadas"
WAITING = "Esperam decisão"
WAITING_NOTE = "Primeiro o que mais mensagens resolve: mensagens × chance de a decisão ser possível."
START_REVIEW = "Começar"
ITEM = "Conversa"
LAST_TALK_SHORT = "Última mensagem"
BEST_CANDIDATE = "Candidato mais provável"
VALUE = "Valor"
SESSION = "atendimento"
NOTHING_WAITS = "Nada espera decisão."
DOUBTS = {
    "ambiguous": "vários possíveis",
    "proposed": "provável",
    "unmatched": "ninguém encontrado",
    "pending": "pendente",
    "linked": "vinculada",
    "manual": "decidida por uma pessoa",
    "group": "grupo",
}
WHOSE = "De quem é esta conversa?"
WHICH_ORDER = "De qual OS trata este atendimento?"
NO_CANDIDATES = "Nenhum candidato encontrado."
THIS_ONE = "É este"
ORDERS_COUNTED = "OS"
PROBABILITY = "de probabilidade"
LOG_ODDS = "em log-odds"
WATERFALL = "Peso de cada evidência, a partir do ponto de partida"
REASONS = "Evidências"
WEIGHT = "Peso"
SUM = "Soma"
NOBODY = "Não é de nenhum cliente"
NO_ORDER = "Não é de nenhuma OS"
OTHER_CUSTOMER = "Outro cliente (nome, telefone ou nº)"
OTHER_ORDER = "Outra OS (número)"
LATER = "Deixar para depois"
LATER_NOTE = "Sai da sua fila por uma semana."
KEYS = "Teclas"
KEYS_ON = "Usar teclas"
KEY_LIST = (
    ("1–9", "escolher o candidato"),
    ("n", "nenhum"),
    ("o", "procurar outro"),
    ("s", "deixar para depois"),
    ("u", "desfazer a última decisão"),
    ("Esc", "cancelar"),
    ("?", "mostrar as teclas"),
)
NOT_IN_DOUBT = "Esta conversa já está vinculada. Uma nova decisão vale no lugar do vínculo de agora."
CONFIRM = "Confirmar decisão"
CONFIRM_BUTTON = "Confirmar"
DECISION = "Decisão"
DECISIONS = {
    "contact": "é de",
    "no_contact": "não é de nenhum cliente",
    "not_contact": "não é de",
    "order": "trata da OS",
    "no_order": "não trata de nenhuma OS",
    "not_order": "não trata da OS",
}
WHY_NOBODY = "Quem é, então?"
NOBODY_KINDS = {
    "unregistered": "cliente que não está no cadastro",
    "new_customer": "cliente novo",
    "private_or_supplier": "particular ou fornecedor",
    "wrong_number": "número errado",
}
SCOPE = "Para o que vale"
SCOPES = {
    "chat": "Só para esta conversa",
    "phone": "Para todas as conversas do telefone",
    "title": "Para todas as conversas com este título, seja de quem for",
}
MOVES_FROM = ("passa de", "passam de")
MOVES_TO = "para"
LEAVES = ("deixa de ser de", "deixam de ser de")
KEEPS_OTHER = (
    "conversa não muda, porque vale outra decisão mais específica ou mais recente",
    "conversas não mudam, porque vale outra decisão mais específica ou mais recente",
)
SCOPE_SESSION = "Só para este atendimento"
SESSION_LEAVES = "deixa a OS"
MOVES_TO_ORDER = "e passa para a OS"
REASON_WHY = "Motivo (opcional)"
REASON = "Motivo"
REVIEW_REASON = "decidido na revisão"
UNDO_REASON = "desfeito no console"
DECISION_KEPT = "Decisão registrada: nº"
CHANGED_NOW = "Já vale para"
PENDING_NOW = (
    "conversa fica pendente até as regras decidirem de novo",
    "conversas ficam pendentes até as regras decidirem de novo",
)
OUTRANKED_NOW = (
    "conversa não mudou, porque vale outra decisão mais específica ou mais recente",
    "conversas não mudaram, porque vale outra decisão mais específica ou mais recente",
)
COUNTS_AT_ONCE = "Já vale; o que as regras precisam decidir de novo fica pendente."
UNDO = "Desfazer"
UNDONE = "Decisão desfeita: nº"
NOT_UNDONE = "A decisão já tinha sido desfeita."
ALREADY_DECIDED = "Já decidido"
DECIDED_BY = "Decidido por"
LINKED_ANEW = "O vínculo mudou desde que você abriu a página."
NOT_KEPT = "A sua decisão não foi registrada."
LOOK_AGAIN = "Ver de novo"
NEXT_ITEM = "Próxima conversa"
IN_FORCE = "em vigor"
SUPERSEDED_BY = "substituída pela nº"
TAKEN_BACK = "desfeita por"
TARGETS = {
    "file": "Arquivo",
    "phone": "Telefone",
    "title": "Título",
    "conversation": "Conversa ao vivo",
}
NO_DECISIONS = "Nenhuma decisão ainda."
OLDER_DECISIONS = "Decisões mais antigas"
NEWEST_DECISIONS = "Decisões mais novas"

# Open cases
OPEN_CASES = "Em aberto"
HANDLED_CASES = "Tratados"
ALL_OPEN = "Todos"
CUSTOMER_SPOKE_LAST = "Cliente falou por último"
HANDLED = "Tratados"
SINCE_MOMENT = "desde"
BUSINESS_HOURS = ("hora útil", "horas úteis")
HANDLED_BY = "tratado por"
REOPEN = "Reabrir"
HANDLE = "Marcar como tratado"
FOR_DAYS = "Por"
HANDLE_NOTE = "O que foi feito (opcional)"
MORE_CASES = "Próximos casos"
FIRST_CASES = "Voltar aos que esperam há mais tempo"
NO_CASES = "Nada em aberto."

# Items that could not be read, and items that wait
HEALTH = "Leitura e recebimento"
FILES_UNREAD = ("arquivo com partes não lidas", "arquivos com partes não lidas")
DELIVERIES_WAIT = ("entrega do WhatsApp na fila", "entregas do WhatsApp na fila")
OLDEST_WAITS = "a mais antiga espera há"
NO_DELIVERY_WAITS = "Nenhuma entrega do WhatsApp espera na fila."
DELIVERIES_PARKED = (
    "entrega do WhatsApp espera o cadastro do número",
    "entregas do WhatsApp esperam o cadastro do número",
)
DELIVERIES_DEAD = (
    "entrega do WhatsApp falhou várias vezes e parou",
    "entregas do WhatsApp falharam várias vezes e pararam",
)
UNREAD = "O que não foi lido"
UNREAD_FILES = "Arquivos"
UNREAD_NOTE = "Arquivos de conversas que não foram lidos, no todo ou em algumas linhas."
UNREAD_FINDINGS = "Ocorrências"
FINDINGS_COUNTED = ("ocorrência", "ocorrências")
UNREAD_KINDS = "O que houve"
# Texts of findings about a file or a line, by kind (`exceptions.kind`).
FINDINGS = {
    "changed_since_indexed": "arquivo mudou depois de indexado",
    "cut_off": "arquivo termina no meio de uma mensagem",
    "date_order_assumed": "ordem das datas incerta",
    "direction_unknown": "não se sabe quem é da equipe",
    "encoding_assumed": "texto em codificação antiga",
    "file_unreadable": "arquivo não pôde ser aberto",
    "forged_header": "trecho que parece colado de outra conversa",
    "impossible_time": "mensagens com data impossível",
    "invalid_date": "data ou hora que não existe",
    "link_outside": "atalho para fora da pasta de conversas",
    "mixed_dates": "datas em mais de uma ordem",
    "month_name_differs": "mês do nome diferente do mês da pasta",
    "name_unreadable": "nome de arquivo ilegível",
    "no_messages": "nenhuma mensagem reconhecida",
    "no_month": "arquivo sem mês",
    "nul_character": "caracteres inválidos",
    "outside_months": "arquivo fora das pastas dos meses",
    "oversized_message": "mensagem grande demais",
    "path_too_long": "nome da pasta ou do arquivo longo demais",
    "preamble": "linhas antes da primeira mensagem",
    "reader_failed": "falha na leitura",
    "unknown_format": "formato de exportação desconhecido",
    "unknown_label": "trecho de outra conversa dentro de uma mensagem",
    "vanished": "arquivo não está mais na pasta",
    "zip_damaged": "arquivo zip danificado",
    "zip_member_refused": "arquivo recusado dentro do zip",
    "zip_refused": "zip recusado por segurança",
    "zip_unsupported": "zip compactado de um jeito não aceito",
    "zip_without_chat": "zip sem conversa",
}
OTHER_FINDING = "outra ocorrência"
NOTHING_UNREAD = "Tudo o que está no arquivo de conversas foi lido."
NEXT_FILES = "Próximos arquivos"
FILE = "Arquivo"
LINE = "linha"
MORE_FINDINGS = "Há mais ocorrências neste arquivo: corrija estas primeiro."
NO_ARCHIVE_HERE = "O console não tem acesso ao arquivo de conversas, por isso as linhas não aparecem."
REREAD = "Ler de outro jeito"
REREAD_NOTE = (
    "A escolha fica guardada com o seu nome, e o arquivo espera a próxima carga do mês para ser lido assim."
)
REREAD_UNKNOWN = "Nada mudou: este arquivo ainda não foi indexado."
FORMAT = "Formato da exportação"
FORMATS = {"block": "arquivo do mês", "android": "Android", "ios": "iPhone"}
DATE_ORDER = "Ordem das datas"
DATE_ORDERS = {"dmy": "dia/mês/ano", "mdy": "mês/dia/ano", "ymd": "ano-mês-dia"}
SHOP_NAME = "Nome ou número da loja nesta conversa"
UNCHANGED = "como está"
AUTOMATIC = "automático"

# Files for which a person chose other reading options
REREAD_PENDING = "Releitura pedida"
REREAD_BY = "por"
REREAD_WAITS = "O arquivo ainda não foi lido assim."
REREAD_WHEN = (
    "Com o Dagster em execução, a carga do mês começa sozinha em cerca de um minuto; "
    "senão, vale na próxima carga do mês. Até lá, as mensagens são as da leitura anterior."
)
REREAD_FAILED = "O arquivo não pôde ser aberto"
REREAD_FAILED_WHY = (
    "Ele não está mais na pasta do mês, ou está ilegível. "
    "A escolha vale quando o arquivo puder ser aberto de novo."
)
REREAD_DONE = "Lido de novo em"
REREAD_STILL = "As ocorrências abaixo são dessa leitura."
REREAD_CLEAN = "Tudo o que está neste arquivo foi lido."
REREAD_CHOICE = "Escolha"
REREAD_OPTIONS = {"format": "formato", "date_order": "datas", "owner": "loja"}
REREADS_PENDING = ("arquivo espera nova leitura", "arquivos esperam nova leitura")

# Deliveries that failed too often
DEAD_LETTERS = "Entregas que falharam"
DEAD_LETTERS_STOPPED = "Paradas"
DEAD_LETTERS_NOTE = (
    "Entregas do WhatsApp que falharam várias vezes. Depois de corrigir a causa, processe de novo: "
    "mensagens que já foram gravadas não se repetem. O pedido fica registrado com o seu nome."
)
DELIVERY = "Entrega"
RECEIVED = "Recebida em"
ATTEMPTS = "Tentativas"
WHY_FAILED = "Motivo"
NO_REASON = "motivo desconhecido"
REPLAY = "Processar de novo"
REPLAY_ALL = "Processar todas de novo"
REPLAYED = ("entrega voltou para a fila.", "entregas voltaram para a fila.")
NOT_REPLAYED = "Nada mudou: a entrega já estava na fila, ou o conteúdo dela já foi apagado."
BODY_DELETED = "o conteúdo já foi apagado"
OLDER_DELIVERIES = "Entregas mais antigas"
NO_DEAD_LETTERS = "Nenhuma entrega parada."

# Texts for links whose evidence points to different people, by the flag of the link
FLAGS = {
    "title_header_disagree": "o telefone do título não aparece dentro da conversa",
    "phone_name_disagree": "o telefone e o nome são de pessoas diferentes",
    "order_contact_disagree": "a OS do título é de outro cliente",
    "order_name_disagree": "a OS e o nome são de pessoas diferentes",
    "order_of_another_contact": "a conversa cita a OS de outro cliente",
    "order_number_unknown": "a conversa cita uma OS que não existe",
    "shared_phone": "o telefone está no cadastro de mais de um cliente",
}
ATTENTION = "Atenção"
DISAGREES = "vinculada, com evidências contrárias"
