"""Word lists: what the reading of an idea knows about four languages."""

import keyword
import re
import sys

from .cores.product import Field

STOP = {lang: frozenset(words.split()) for lang, words in {
    "en": "a an the that which who whose when where of for from in on at to by with without and or not no only really still is are be been was has have can could will would "
    "must should may it its their his her our my me i you they them this these those what as if than then so out up into over about per each every all any before after until "
    "did does do done very more most just also too how why we us your small new old simple easy tool app service product someone something anyone built-in reference "
    "one two three now own ask asks plans plan usd month months day days hour hours minute minutes need needs want wants due like between",
    "de": "der die das den dem des ein eine einer eines einem einen und oder für von vom zu zur zum in im an am auf aus mit ohne bei nach vor über unter wenn dass wer was wie "
    "die noch nur nicht kein keine sich wirklich ist sind war wird werden kann können soll sollen man es er sie wir ihr ihre seine alle jede jeder jedes mehr sehr auch rechtzeitig mein meine mein unser unsere möchte wissen will wollen muss",
    "fr": "le la les un une des de du d l et ou pour par sur sous dans en au aux avec sans qui que quoi quand si ce cet cette ces son sa ses leur leurs ne pas plus est sont a ont "
    "vraiment avant après chaque tout tous toute toutes il elle on nous vous être prévenu savoir",
    "es": "el la los las un una unos unas de del y o para por con sin en al a que quien cuando si su sus es son está no más lo se antes después cada todo todos toda todas "
    "realmente mi tu nuestro",
}.items()}  # fmt: skip
LANGUAGE_MARKS = {
    "de": r"[äöüß]|\b(?:wenn|ung|en)\b|ungen\b",
    "es": r"[ñ¿¡óí]|ción\b",
    "fr": r"[êèçœ]|\b[dlqn]['\u2019]|\bsuivi",
    "en": r"\bthe\b",
}
NOTHING_NAMED = {"en": "Records", "de": "Einträge", "fr": "Fiches", "es": "Fichas"}
_VERBS = (  # what an idea does rather than what it is about
    "keep goes stop stops stopped sending readings play plays use publishes published track tracking told way ways learn tell tells remind reminds warn warns know find make makes get gets let lets help helps send sends show shows give gives matter matters report reports "
    "watch watcher watches monitor monitors monitoring tracker tracking proof prove proves dated reminder reminders alert alerts alerting notice notify run runs ran expect expected expects "
    "translate turn turns convert write recommend predict detect match generate summarise summarize build collect store list lists log logs register record records manage manages "
    "benachrichtigung benachrichtigen läuft überwachung erinnerung erinnerungen nachweis nachweise warnung meldung meldungen blick verzeichnis liste wächter beobachten behalten melden melde erinnern register frist fristen kündigungsfristen "
    "alerte alertes rappel rappels rappeler suivi suivre surveiller surveillance signaler registre preuve preuves avertir nouveautés échéance "
    "avisar aviso avisos registro recordatorio recordatorios recordar vigilar control alerta alertas cambia cambian fecha seguimiento comprobante"
)  # fmt: skip
VERBS = frozenset(_VERBS.split())
AUDIENCE = re.compile(  # whom it is for, or who speaks
    r"\b(?:(?:tells?|reminds?|alerts?|warns?|helps?|lets?|notif(?:y|ies)|(?:I|we) (?:run|own|have|manage|lead))\s+(?:the\s+|an?\s+|our\s+|my\s+|small\s+|busy\s+)*"
    r"|(?:mein|unser)e?\s+|(?:recordar|avisar)\s+a\s+(?:los|las|la|el)\s+|(?:prévenir|rappeler)\s+(?:aux?|les)\s+)"
    r"([^\W\d_]+(?:\s+[^\W\d_]+(?=\s+(?:when|that|if|about|of|before|to)\b))?)", re.I
)  # fmt: skip
OWN_NAME = re.compile(
    r"[\"\u201c\u201e\u00ab]\s?([A-Z][\w ]{2,28}?)\s?[\"\u201d\u201c\u00bb]|\b(?:called|named|namens|nommé|llamado)\s+([A-Z]\w{2,20})"
    r"|^([A-Z][a-z]+[A-Z]\w+)(?:\. \3)?: "
)  # fmt: skip
WISHED_LABEL = re.compile(r"\b(?:call (?:it|them|these)|label|nenne? (?:es|sie))\s*:?\s*[\"\u201c\u201e]?([^\W\d_][\w -]{1,30}\w)", re.I)  # fmt: skip
BEYOND = re.compile(
    r"\b(ai|ki|ia|translat|video|vidéo|podcast|recommend|predict|match|generat|summar|chat|blockchain|übersetz|vorhersag|empfehl|traduire|traduc|recommand|predic|sign language|robot|drone|3d|game|juego)", re.I
)  # fmt: skip
THINGS = {  # what many signals are about, by language; the first that is said most wins
    r"\bcron|\bjobs?\b|nightly": {"en": "Jobs", "de": "Jobs", "fr": "Tâches", "es": "Tareas"},
    r"backup|restor|sicherung|sauvegarde|copias? de seguridad": {"en": "Backups", "de": "Sicherungen", "fr": "Sauvegardes", "es": "Copias"},
    r"\bdomains?\b|registrar|domaine|dominio": {"en": "Domains", "de": "Domains", "fr": "Domaines", "es": "Dominios"},
    r"certificate|zertifikat|certificat\b|certificado": {"en": "Certificates", "de": "Zertifikate", "fr": "Certificats", "es": "Certificados"},
    r"\bpages?\b|web ?sites?|webseite|página": {"en": "Pages", "de": "Seiten", "fr": "Pages", "es": "Páginas"},
    r"\blinks?\b": {"en": "Links", "de": "Links", "fr": "Liens", "es": "Enlaces"},
    r"licen[cs]es?|lizenz|licencia": {"en": "Licences", "de": "Lizenzen", "fr": "Licences", "es": "Licencias"},
    r"contracts?|vertr[aä]g|contrat": {"en": "Contracts", "de": "Verträge", "fr": "Contrats", "es": "Contratos"},
    r"\bprices?\b|preise?|\bprix\b|precio": {"en": "Prices", "de": "Preise", "fr": "Prix", "es": "Precios"},
    r"invoices?|rechnung|facture?s?\b|facturas?": {"en": "Invoices", "de": "Rechnungen", "fr": "Factures", "es": "Facturas"},
    r"members?\b|mitglied|adhérent|socios?\b": {"en": "Members", "de": "Mitglieder", "fr": "Adhérents", "es": "Socios"},
    r"patients?\b|patienten": {"en": "Patients", "de": "Patienten", "fr": "Patients", "es": "Pacientes"},
    r"\btrips?\b|mileage|fahrten|trajets?|viajes?": {"en": "Trips", "de": "Fahrten", "fr": "Trajets", "es": "Viajes"},
    r"\bstock\b|inventory|\bbox(?:es)?\b|lager|inventaire|inventario": {"en": "Items", "de": "Teile", "fr": "Articles", "es": "Artículos"},
    r"webhooks?\b": {"en": "Webhooks", "de": "Webhooks", "fr": "Webhooks", "es": "Webhooks"},
    r"servers?\b|serveurs?|servidor": {"en": "Servers", "de": "Server", "fr": "Serveurs", "es": "Servidores"},
}  # fmt: skip
EXTRA_FIELDS = (
    (re.compile(r"proof|prove|nachweis|beleg|preuve|comprob|prueba", re.I),
     Field("evidence", "text", {"en": "Proof", "de": "Nachweis", "fr": "Preuve", "es": "Prueba"})),
    (re.compile(r"firm|compan|client|customer|praxis|praxen|kunde|mairie|entreprise|empresa|cliente|tenant|locataire", re.I),
     Field("place", "text", {"en": "Firm", "de": "Betrieb", "fr": "Organisme", "es": "Empresa"})),
    (re.compile(r"price|cost|preis|kosten|prix|precio|coste|fee\b", re.I),
     Field("amount", "text", {"en": "Price", "de": "Preis", "fr": "Prix", "es": "Precio"})),
    (re.compile(r"owner|responsib|staff|team|zuständig|verantwort|mitarbeit|responsable|équipe|equipo", re.I),
     Field("person", "text", {"en": "Responsible", "de": "Zuständig", "fr": "Responsable", "es": "Responsable"})),
)  # fmt: skip
_TAKEN = (  # names of the house, of its packages and of its addresses
    "house product tests templates static data manage home plans notices privacy terms support signup login logout health version internal ping api"
    " django uvicorn click h11 asgiref sqlparse pytest coverage anyio admin auth contenttypes sessions messages staticfiles sites past"
)  # fmt: skip
RESERVED = frozenset((*sys.stdlib_module_names, *keyword.kwlist, *keyword.softkwlist, *_TAKEN.split()))
