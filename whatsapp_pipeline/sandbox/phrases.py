"""What customers and staff of an invented repair shop say, in Portuguese.

What belongs here: sentences, grouped by the moment of a conversation they fit. What does not: in which order
they come (`dialogue`). Slots in braces: nome (customer), atendente, cumprimento, aparelho and coisa (device
with and without its model), defeito, o/meu/seu/esse/ele/pronto/novo (agreeing with the device), valor, prazo,
os (order number), hora, tecnico, parcelas.
"""

from __future__ import annotations

from typing import Final

POOLS: Final[dict[str, tuple[str, ...]]] = {
    "c_greeting": (
        "{cumprimento}", "{cumprimento}!", "Olá, {cumprimento}", "Oi, tudo bem?", "Oi", "{cumprimento}, tudo bem?",
        "Olá!", "Opa, {cumprimento}", "{cumprimento}, alguém pode me atender?", "Oii, aqui é {nome}",
    ),
    "s_greeting": (
        "{cumprimento}! Aqui é {atendente}, da assistência. Em que posso ajudar?",
        "Olá, {nome}! {cumprimento}. Como posso ajudar?", "{cumprimento}, tudo bem? Pode falar.",
        "Oi {nome}, {cumprimento}! Pois não?", "{cumprimento}! Seja bem-vindo(a) à nossa assistência técnica 😊",
        "Olá! Sou {atendente}. Me conta o que aconteceu?",
    ),
    "c_problem": (
        "{meu} {aparelho} {defeito}, vocês consertam?", "{o} {aparelho} {defeito} desde ontem",
        "Então, {meu} {aparelho} {defeito}. Tem conserto?",
        "Preciso de ajuda com {meu} {coisa}\n{o} {aparelho} {defeito}",
        "Comprei {esse} {aparelho} faz uns dois anos e agora {defeito}", "{meu} {aparelho} {defeito}\nserá que vale a pena arrumar?",
        "Vocês mexem com {coisa}? {o} {meu_solto} {defeito}", "É o seguinte: {meu} {aparelho} {defeito} e eu preciso trabalhar",
    ),
    "s_diagnose": (
        "Consertamos sim! Faz quanto tempo que {defeito}?", "Entendi. Precisamos avaliar aqui na bancada. Pode trazer?",
        "Trabalhamos com {coisa} sim. O orçamento é gratuito e fica pronto em até 48h.",
        "Isso pode ser várias coisas. O ideal é trazer {o} {coisa} para o técnico avaliar.",
        "Pode trazer! Atendemos de segunda a sexta das 9h às 18h e sábado até 13h.",
        "Tem sim. Já tentou ligar na tomada sem a bateria? Se não resolver, traz aqui pra gente ver.",
    ),
    "c_bring": (
        "Posso levar hoje ainda?", "Vou levar amanhã de manhã então", "Vocês buscam em casa?", "Passo aí depois do almoço",
        "Qual o endereço?", "Beleza, levo {hora}", "Pode ser no sábado?", "Vou pedir pro meu filho deixar aí",
    ),
    "s_bring": (
        "Pode sim, estamos até as 18h.", "Rua da Fonte, 210, perto do terminal. Tem estacionamento na frente.",
        "Combinado! Traz o carregador junto, por favor.", "Buscamos sim, a taxa de coleta é R$ 25,00.",
        "Ok! Se puder traga também a nota fiscal.", "Pode deixar na recepção com {atendente}.",
    ),
    "s_received": (
        "Recebemos {o} {aparelho}. O número da sua OS é {os}.", "Prontinho, abrimos a OS {os} para {o} {coisa}.",
        "{nome}, {seu} {coisa} deu entrada aqui. OS {os}, guarde esse número 😉",
        "Entrada feita. OS {os}. O técnico {tecnico} vai avaliar e retornamos.",
    ),
    "s_received_plain": (
        "Recebemos {o} {aparelho}, o técnico {tecnico} já vai avaliar.", "Já está na bancada, {nome}. Retornamos com o orçamento.",
        "{o} {coisa} deu entrada. Assim que tivermos o diagnóstico avisamos por aqui.",
        "Tudo certo com a entrada. O prazo do orçamento é de até 48h.",
    ),
    "c_thanks": (
        "Obrigado", "Ok, obrigada!", "Tá bom, fico no aguardo", "Beleza, valeu", "Perfeito", "Combinado 👍", "Certo, aguardo",
        "Muito obrigada pela atenção", "Show", "Ok",
    ),
    "s_close": (
        "Por nada! Qualquer dúvida é só chamar.", "Disponha 😊", "Nós que agradecemos, {nome}!", "Até mais!",
        "Estamos à disposição.", "Combinado, até já!", "Obrigado pela preferência.",
    ),
    "s_quote": (
        "{nome}, avaliamos {o} {aparelho}. O orçamento ficou em R$ {valor}, prazo de {prazo} dias úteis. Podemos fazer?",
        "Olá! Orçamento d{o} {coisa}:\n- Mão de obra e peça: R$ {valor}\n- Prazo: {prazo} dias úteis\n- Garantia: 90 dias\nVocê aprova?",
        "Segue o orçamento da OS {os}: R$ {valor} à vista ou em até {parcelas}x no cartão. Prazo {prazo} dias.",
        "O técnico {tecnico} identificou o defeito. Para deixar {o} {coisa} funcionando fica R$ {valor}. Aguardo sua aprovação.",
        "{cumprimento}, {nome}. O conserto d{o} {aparelho} fica em R$ {valor}, com 3 meses de garantia.",
    ),
    "c_haggle": (
        "Nossa, achei meio caro", "Não consegue fazer um desconto à vista?", "Parcela no cartão?", "Esse valor já é com a peça?",
        "Hmm, vou pensar e te falo", "Tem garantia?", "Aceita pix?", "E se for só a limpeza, quanto fica?",
    ),
    "s_haggle": (
        "No pix consigo 5% de desconto.", "Parcelamos em até {parcelas}x sem juros.", "Sim, peça e mão de obra incluídas.",
        "Damos 90 dias de garantia no serviço e na peça.", "Aceitamos pix, cartão e dinheiro.",
        "Esse valor já está com o melhor preço, a peça é original.",
    ),
    "c_approve": (
        "Pode fazer", "Aprovado, pode mandar ver", "Tá aprovado! Quando fica pronto?", "Ok, pode consertar", "Fechado, pode fazer sim",
        "Aprovado 👍", "Pode seguir com o conserto por favor", "Autorizo o serviço",
    ),
    "c_reject": (
        "Não vale a pena, vou comprar {novo}", "Nesse valor não compensa. Posso retirar sem conserto?",
        "Vou deixar pra outro momento, obrigado", "Reprovado por enquanto, tá muito caro",
    ),
    "s_reject": (
        "Sem problemas, {nome}. {o} {coisa} fica disponível para retirada.", "Tudo bem! Pode retirar quando quiser, sem custo de avaliação.",
        "Entendo. Se mudar de ideia o orçamento vale por 10 dias.",
    ),
    "s_approved": (
        "Aprovado! Já pedimos a peça.", "Perfeito, vamos iniciar o serviço. Previsão de {prazo} dias úteis.",
        "Ótimo, {nome}. Assim que ficar {pronto} avisamos aqui.", "Anotado! Iniciando hoje.",
    ),
    "c_status": (
        "{cumprimento}, tem alguma novidade d{o} {meu_solto} {coisa}?", "Oi, {o} {coisa} já ficou {pronto}?",
        "Alguma previsão d{o} {aparelho}?", "E aí, conseguiram ver {o} {meu_solto} {coisa}?", "Já chegou a peça d{o} {coisa}?",
        "Queria saber como está a minha ordem de serviço", "Consegue me dizer o andamento da OS {os}?",
    ),
    "s_status": (
        "Oi {nome}! Ainda está em teste, até amanhã te dou retorno.", "A peça chega amanhã. Assim que instalar aviso.",
        "Está na bancada com o {tecnico}, quase {pronto}.", "Estamos finalizando, falta só a limpeza.",
        "Vou verificar com o técnico e já retorno.", "Está em andamento, previsão para {hora}.",
    ),
    "s_ready": (
        "{cumprimento}, {nome}! {seu} {aparelho} está {pronto} para retirada. O valor ficou em R$ {valor}.",
        "Boa notícia: {o} {coisa} ficou {pronto}! Pode retirar até as 18h.",
        "{nome}, a OS {os} está finalizada. Pode vir retirar {o} {coisa}.",
        "Serviço concluído ✅ {o} {aparelho} já pode ser retirad{a_o}. Total R$ {valor}.",
        "{seu} {coisa} está {pronto}. Testamos tudo e está funcionando normalmente.",
    ),
    "c_pickup": (
        "Que bom! Passo aí {hora}", "Oba, vou buscar hoje", "Posso pegar amanhã cedo?", "Até que horas vocês ficam?",
        "Meu marido vai retirar, pode ser?", "Ótimo, já estou indo", "Posso pagar no pix?", "Vocês entregam?",
    ),
    "s_pickup": (
        "Pode sim, estamos te esperando.", "Ficamos até as 18h hoje.", "Sem problema, só precisa do número da OS.",
        "Entregamos sim, a taxa é R$ 20,00.", "A chave pix é o CNPJ da loja, {atendente} te passa aqui.",
        "Combinado! Separado no seu nome.",
    ),
    "c_praise": (
        "Ficou ótimo, muito obrigada pelo atendimento!", "Serviço excelente, recomendo demais 👏",
        "Funcionou perfeitamente, vocês são nota 10", "Adorei o atendimento, super rápidos", "Parabéns pelo trabalho, ficou como nov{a_o}",
        "Muito satisfeito com o serviço, obrigado!", "Gente, {o} {coisa} está {otimo}! Obrigada de coração ❤️",
        "Melhor assistência que já fui, preço justo e rápido", "Show de bola, resolveram o que outros não conseguiram",
    ),
    "c_neutral_end": (
        "Ok, recebido", "Já retirei, tudo certo", "Deu certo aqui", "Ok, até a próxima", "Certo, obrigado", "Tudo certo por aqui",
    ),
    "c_complaint": (
        "Péssimo atendimento, ninguém responde", "Estou muito insatisfeito, {o} {coisa} voltou com o mesmo problema",
        "Faz mais de uma semana e nada, absurdo", "Isso é uma falta de respeito com o cliente",
        "{o} {aparelho} parou de novo, horrível o serviço de vocês", "Paguei R$ {valor} e não funcionou, quero meu dinheiro de volta",
        "Prometeram pra ontem e até agora nada. Que demora!", "Vou reclamar no Procon se não resolverem",
        "Veio com um risco na tampa que não tinha, estou decepcionada", "Não gostei nada do atendimento na recepção",
    ),
    "s_apology": (
        "{nome}, pedimos desculpas pelo transtorno. Vou verificar agora mesmo.", "Sinto muito pelo ocorrido. Pode trazer que damos prioridade, sem custo.",
        "Peço desculpas pela demora, a peça atrasou no fornecedor.", "Entendo a sua frustração. O {tecnico} vai te ligar ainda hoje.",
        "Lamentamos muito. Está na garantia, vamos refazer o serviço sem cobrar nada.",
    ),
    "c_after_apology": (
        "Espero que resolvam dessa vez", "Tá, vou aguardar até amanhã", "Ok, mas é a última vez", "Tudo bem, obrigado pelo retorno",
        "Já é a terceira vez que dizem isso", "Assim espero",
    ),
    "c_warranty": (
        "{cumprimento}, {o} {coisa} que arrumei com vocês voltou a dar problema, está na garantia?",
        "Oi, {o} {aparelho} {defeito} de novo. Ainda tem garantia?", "Fiz o conserto d{o} {coisa} aí e quero acionar a garantia",
    ),
    "s_warranty": (
        "Está sim, {nome}! A garantia é de 90 dias. Pode trazer {o} {coisa}.", "Deixa eu conferir a data da sua OS... está na garantia sim, pode trazer.",
        "Sim, está coberto. Vamos reavaliar sem custo.", "Vou ver com o {tecnico}. Traga {o} {coisa} com a OS {os}, por favor.",
    ),
    "c_price": (
        "{cumprimento}, quanto custa pra trocar a tela de um {coisa}?", "Qual o valor da formatação?", "Vocês vendem bateria pra {coisa}?",
        "Quanto fica uma limpeza completa?", "Fazem upgrade de SSD? Qual o preço?", "Quanto tá a película?",
        "Trabalham com recuperação de dados?", "Vocês compram {coisa} com defeito?",
    ),
    "s_price": (
        "Depende do modelo, mas fica em torno de R$ {valor}.", "A formatação com backup fica R$ 150,00.",
        "Temos sim! Sai por R$ {valor} já instalado.", "A limpeza completa fica R$ 120,00, leva um dia.",
        "Fazemos sim. O SSD de 480GB instalado fica R$ 390,00.", "No momento não compramos aparelhos usados.",
        "Recuperamos sim, a análise é gratuita.",
    ),
    "c_hours": (
        "Que horas vocês fecham?", "Abrem no sábado?", "Vocês atendem no feriado?", "Qual o endereço da loja?", "Estão abertos agora?",
        "Tem estacionamento aí?", "Vocês têm loja no centro?",
    ),
    "s_hours": (
        "De segunda a sexta das 9h às 18h, sábado das 9h às 13h.", "Sábado abrimos até as 13h.", "No feriado estaremos fechados.",
        "Rua da Fonte, 210, ao lado da padaria.", "Estamos abertos sim, pode vir!", "Tem estacionamento conveniado na esquina.",
    ),
    "c_stranger": (
        "{cumprimento}, é da assistência?", "Oi, peguei o número no Google", "Olá, vi o anúncio de vocês no Instagram",
        "Oi, minha vizinha indicou vocês", "{cumprimento}, gostaria de fazer um orçamento",
    ),
    "c_supplier": (
        "{cumprimento}, aqui é da transportadora, tenho uma entrega de peças para vocês", "Segue a tabela de preços atualizada das telas",
        "O pedido saiu hoje para entrega", "Temos lote novo de baterias, interesse?", "Boa, seu boleto vence amanhã",
    ),
    "s_supplier": (
        "Pode entregar até as 17h.", "Obrigado, vou repassar para o setor de compras.", "Recebido, obrigado.",
        "Manda 10 telas do modelo A54, por favor.", "Ok, vamos pagar hoje.",
    ),
    "g_member": (
        "Bom dia pessoal", "Alguém viu a chave da bancada 2?", "A peça do cliente chegou", "Hoje fecho eu", "Quem atende o balcão agora?",
        "Reunião às 17h", "Acabou o álcool isopropílico", "Já testei as três máquinas", "Vou almoçar e já volto", "Cliente perguntando de novo 😅",
        "Chegou malote", "Alguém pode levar a entrega no Portão?", "Parabéns Marcos! 🎉", "Feito", "Beleza", "kkkkk",
    ),
    "g_staff": ("Ok", "Eu levo", "Anotado, obrigado pessoal", "Por favor lancem as OS no sistema até as 18h", "👍", "Combinado"),
    "photo_caption": (
        "", "", "", "Olha como está", "Segue a foto", "Tá assim ó", "É esse modelo aqui", "Foto da etiqueta", "Veja o defeito",
    ),
    "doc_caption": ("", "Segue o orçamento", "Nota fiscal em anexo", "Comprovante"),
    "c_odd": (
        "kkkk", "👍", "🙏🙏", "??", "Oi?", "Alguém aí", "Ok", "sim", "não", "Isso", "Blz", "Hum", "😂😂", "ok ok", "Só um minuto",
        "Tô no trânsito, já respondo", "To sem internet em casa", "Desculpa a demora",
    ),
    "s_odd": (
        "Só um momento, por favor.", "Já verifico.", "Certo.", "Sim.", "Isso mesmo.", "Claro!", "Pode ser.", "👍", "Ok, {nome}.",
        "Retorno em instantes.", "Obrigado por aguardar.",
    ),
}  # fmt: skip

# Exchanges that can stand anywhere in a conversation: (who, sentence) in turn, c = customer, s = staff.
CHAINS: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    (("c", "Vocês fazem backup antes de mexer?"), ("s", "Fazemos sim, os seus arquivos ficam guardados por 7 dias.")),
    (("c", "Tenho fotos importantes aí, não pode apagar nada"), ("s", "Fique tranquil{a_o_cliente}, não formatamos sem autorização."),
     ("c", "Ufa, obrigad{a_o_cliente}")),
    (("c", "A senha é aquela que deixei no papel"), ("s", "Anotado, obrigado!")),
    (("s", "Qual a senha de acesso, por favor?"), ("c", "Não tem senha"), ("s", "Certo.")),
    (("c", "Preciso d{ele} até sexta, será que dá?"), ("s", "Vamos fazer o possível. Vou priorizar na bancada."), ("c", "Por favor 🙏")),
    (("s", "A fonte veio junto?"), ("c", "Deixei sim, está na capa preta")),
    (("c", "Vocês emitem nota fiscal?"), ("s", "Emitimos sim, me passa o CPF ou CNPJ na retirada.")),
    (("c", "Pode parcelar em quantas vezes?"), ("s", "Em até {parcelas}x no cartão, sem juros até 3x."), ("c", "Ah ótimo")),
    (("c", "Aceitam cartão de débito?"), ("s", "Aceitamos débito, crédito e pix.")),
    (("c", "O técnico consegue me ligar?"), ("s", "Consegue sim, {hora} pode ser?"), ("c", "Pode")),
    (("s", "Identificamos também poeira acumulada, recomendamos a limpeza."), ("c", "Quanto fica a mais?"),
     ("s", "Mais R$ 60,00, já com pasta térmica nova."), ("c", "Pode incluir então")),
    (("c", "E se não tiver conserto?"), ("s", "Aí não cobramos nada, só devolvemos {o} {coisa}.")),
    (("c", "Vocês têm {coisa} pra emprestar enquanto isso?"), ("s", "Infelizmente não trabalhamos com empréstimo.")),
    (("s", "O Windows precisa ser reinstalado, tudo bem?"), ("c", "Se mantiver os programas, tudo bem"),
     ("s", "Reinstalamos o Office e os navegadores.")),
    (("c", "Meu sobrinho disse que pode ser a placa"), ("s", "Pode ser, mas só abrindo para ter certeza.")),
    (("c", "Tô precisando pro trabalho, sou professor{a_cliente}"), ("s", "Entendo, vamos agilizar.")),
    (("c", "Tem como mandar foto do defeito?"), ("s", "Claro, já envio.")),
    (("s", "O fornecedor confirmou a peça para amanhã à tarde."), ("c", "Que bom, obrigad{a_o_cliente} por avisar")),
    (("c", "Qual a diferença da peça original pra paralela?"),
     ("s", "A original tem garantia do fabricante e dura mais. A paralela é mais em conta, mas a garantia é de 30 dias."),
     ("c", "Prefiro a original"), ("s", "Boa escolha.")),
    (("c", "Estou com medo de perder os arquivos da faculdade"), ("s", "Vamos fazer uma cópia antes de qualquer coisa.")),
    (("s", "Testamos por 24 horas e não desligou mais."), ("c", "Que alívio")),
    (("c", "Vocês trocam película também?"), ("s", "Trocamos, a de vidro sai por R$ 35,00 instalada."), ("c", "Coloca então por favor")),
    (("c", "Recebi uma ligação de vocês, o que era?"), ("s", "Era só para confirmar o endereço de entrega.")),
    (("s", "Pode me confirmar o seu nome completo?"), ("c", "{nome_completo}"), ("s", "Obrigado!")),
    (("c", "O barulho parou?"), ("s", "Parou sim, era a ventoinha com desgaste.")),
    (("c", "Vi que na internet está mais barato"), ("s", "Lá não inclui instalação nem garantia, {nome}."), ("c", "É verdade")),
    (("c", "Tem algum risco de piorar?"), ("s", "Não, é um procedimento simples.")),
    (("s", "Deixamos um mouse de brinde, ok?"), ("c", "Que legal, obrigad{a_o_cliente}!")),
    (("c", "Hoje vocês fecham mais cedo?"), ("s", "Hoje não, até as 18h normalmente.")),
    (("c", "Pode ligar no meu fixo? Estou sem sinal"), ("s", "Ligamos sim.")),
)  # fmt: skip

ENCRYPTION: Final = (
    "As mensagens e as ligações são protegidas com a criptografia de ponta a ponta e ficam somente entre você e os "
    "participantes desta conversa. Nem mesmo o WhatsApp pode ler ou ouvi-las."
)
DELETED: Final = "Esta mensagem foi excluída"
PASTED: Final = (
    "olha o que o outro técnico me mandou:\n" + "-" * 52 + "\nAssistência do Bairro\n"
    "2024-11-03 14:22:10 from Assistência do Bairro\n\nSua placa queimou, não tem conserto"
)
DASHES: Final = (
    "-----------", "----------------------------------------------------\nficou {pronto}?\n----------------------------------------------------",
    "Meus dados\n----------------------------------------------------\n{nome_completo}", "---", "— — —",
)  # fmt: skip
