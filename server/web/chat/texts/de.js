// @ts-check
/** All texts of the chat in German, with the keys of en.js. */
import { wordsIn } from "./words.js";

const { number, plural } = wordsIn("de");

/** The texts, by the part of the page. @type {typeof import("./en.js").t} */
export const t = {
  language: "de",

  common: {
    close: "Schließen",
    show: "Anzeigen",
    hide: "Verbergen",
    loading: "Wird geladen …",
    tryAgain: "Erneut versuchen",
    remove: "Entfernen",
    block: "Blockieren",
    unblock: "Nicht mehr blockieren",
    save: "Speichern",
    cancel: "Abbrechen",
    yes: "Ja",
    you: "Du: ",
    notes: "Notizen",
    failed: "Das hat nicht geklappt.",
    failedTryAgain: "Das hat nicht geklappt. Versuch es noch einmal.",
  },

  start: {
    wait: "Einen Moment …",
    connecting: "Verbindung wird aufgebaut …",
    noConnection: "Keine Verbindung. Neuer Versuch …",
    offline: "Du bist offline. Sobald das Netz wieder da ist, wird verbunden …",
    offlineForm: "Du bist offline. Zum Anmelden braucht es das Netz.",
    signingIn: "Anmeldung läuft …",
    signedOutElsewhere: "Du wurdest abgemeldet. Melde dich wieder an, um weiterzumachen.",
    signedOutOffline: "Du bist in diesem Browser abgemeldet. Es gibt keine Verbindung zum Server.",
    ended: "Die Anmeldung ist abgelaufen.",
    full: "Du bist schon auf so vielen Geräten angemeldet, wie ein Konto haben darf.",
    endDevice: (device) => `Abmelden: ${device}`,
    passwordSet: "Dein Passwort ist gesetzt. Melde dich damit an.",
  },

  signIn: {
    title: "Anmelden",
    titleNew: "Konto anlegen",
    name: "Name",
    password: "Passwort",
    showPassword: "Passwort anzeigen",
    invite: "Einladung",
    inviteHelp: "Eine Einladung bekommst du von den Betreibern dieses Servers.",
    remember: "Auf diesem Gerät angemeldet bleiben",
    go: "Anmelden",
    goNew: "Konto anlegen",
    toNew: "Konto anlegen",
    toOld: "Ich habe schon ein Konto",
    documentation: "Dokumentation (Englisch)",
    otherWays: "Andere Wege zur Anmeldung",
    withIssuer: (issuer) => `Anmelden mit ${issuer}`,
    wrong: "Der Name oder das Passwort ist falsch.",
    taken: "Dieser Name ist vergeben. Wähle einen anderen.",
    cannotBeUsed: "Dieser Name oder dieses Passwort geht hier nicht. Versuch es mit anderen.",
    inviteInvalid: "Diese Einladung gilt nicht (mehr). Bitte um eine neue.",
    closed: "Hier lassen sich keine neuen Konten anlegen.",
  },

  issuer: {
    unnamed: "OpenID-Anbieter",
    reasons: {
      denied: (name) => `Die Anmeldung bei ${name} wurde abgelehnt.`,
      state: () =>
        "Diese Anmeldung hat zu lange gedauert oder begann in einem anderen Browser. " +
        "Versuch es noch einmal.",
      code: () =>
        "Diese Anmeldung wurde schon benutzt oder hat zu lange gedauert. Versuch es noch einmal.",
      nonce: () => "Diese Anmeldung gehört nicht zu dieser Seite. Versuch es noch einmal.",
      expired: () => "Diese Anmeldung hat zu lange gedauert. Versuch es noch einmal.",
      not_yet: (name) =>
        `Die Uhren von ${name} und diesem Server gehen verschieden. Sag es den Betreibern.`,
      name: (name) =>
        `Dein Name bei ${name} kann hier kein Name sein. Frag die Betreiber dieses Servers.`,
    },
    codes: {
      unauthorized: (name) =>
        `Die Antwort von ${name} wird nicht anerkannt. Sag es den Betreibern dieses Servers.`,
      conflict: () =>
        "Deinen Namen hat hier schon jemand. Bist du das selbst, dann frag die Betreiber dieses " +
        "Servers.",
      forbidden: () => "Du hast hier kein Konto. Frag die Betreiber dieses Servers.",
      not_found: () => "Diese Anmeldung wird nicht mehr angeboten.",
      moved: () => "Dein Konto liegt auf einem anderen Server. Melde dich dort an:",
      unavailable: (name) => `${name} ist gerade nicht erreichbar. Versuch es gleich noch einmal.`,
      busy: () => "Der Server hat gerade zu viel zu tun. Versuch es gleich noch einmal.",
      rate_limited: () => "Zu viele Versuche. Warte einen Moment.",
      offline: () => "Der Server antwortet nicht. Prüfe die Verbindung und versuch es noch einmal.",
    },
  },

  name: {
    empty: "Wähle einen Namen.",
    spaces: "Ein Name hat keine Leerzeichen. Nimm Punkt, Bindestrich oder Unterstrich.",
    long: "Dieser Name ist zu lang.",
    letters: "Ein Name besteht aus Buchstaben, Ziffern, Punkten, Binde- und Unterstrichen.",
  },

  password: {
    rule: (min) => plural(min, { other: "Mindestens # Zeichen." }),
    short: (min) => plural(min, { other: "Nimm mindestens # Zeichen." }),
    long: "Dieses Passwort ist zu lang.",
    characters: "Dieses Passwort enthält Zeichen, die nicht gehen.",
  },

  reset: {
    title: "Neues Passwort setzen",
    name: "Name",
    password: "Neues Passwort",
    help: "Alle Geräte dieses Kontos werden dann abgemeldet.",
    go: "Passwort setzen",
    used: "Dieser Link wurde schon benutzt oder ist zu alt. Bitte um einen neuen.",
    cannotBeUsed: "Dieses Passwort geht nicht. Versuch ein anderes.",
    tooMany: "Zu viele Versuche. Warte einen Moment.",
    later: "Der Server kann das gerade nicht. Versuch es gleich noch einmal.",
  },

  second: {
    title: "Noch ein Schritt",
    help: "Dieses Konto ist durch eine Authentifizierungs-App geschützt.",
    helpPasskey: "Dieses Konto ist durch einen Passkey geschützt.",
    helpBoth: "Dieses Konto ist geschützt: Benutze einen Passkey oder einen Code der App.",
    recovery: "Wiederherstellungscode",
    code: "Code der App oder ein Wiederherstellungscode",
    go: "Anmelden",
    again: "Von vorn beginnen",
    wrong: "Dieser Code stimmt nicht oder wurde schon benutzt.",
  },

  passkeys: {
    title: "Passkeys",
    signIn: "Mit einem Passkey anmelden",
    use: "Einen Passkey benutzen",
    none: "Mit einem Passkey meldest du dich mit der Sperre deines Geräts an, ohne Passwort. " +
      "Dein Passwort allein genügt dann nicht mehr.",
    some: "Jeder von diesen meldet dich allein an. Zu deinem Passwort gehört ein zweiter Faktor.",
    add: "Passkey hinzufügen …",
    name: "Name des Passkeys",
    nameLong: "Dieser Name ist zu lang.",
    unused: "Noch nicht benutzt.",
    used: (day) => `Zuletzt benutzt: ${day}.`,
    elsewhere: (domain) => `Nur für Seiten von ${domain}.`,
    rename: "Umbenennen",
    renameNamed: (name) => `Passkey ${name} umbenennen`,
    removeNamed: (name) => `Passkey ${name} entfernen`,
    added: "Der Passkey ist hinzugefügt.",
    removed: "Der Passkey ist entfernt. Du kannst ihn auch auf deinem Gerät löschen.",
    known: "Dein Gerät hat schon einen Passkey dieses Kontos.",
    last: "Das ist dein einziger Zugang: Setze erst ein Passwort.",
    many: "Mehr Passkeys kann ein Konto nicht haben.",
    refused: "Der Server hat diesen Passkey abgelehnt.",
    reasons: {
      passkey: "Dieser Server kennt den Passkey nicht oder nicht mehr.",
      counter: "Dieser Passkey wurde abgelehnt, weil es eine Kopie geben könnte. " +
        "Frag die Betreiber des Servers.",
      challenge: "Das hat zu lange gedauert. Versuch es noch einmal.",
      user: "Dein Gerät hat nicht geprüft, ob du es bist.",
      page: "Dieser Server nimmt unter dieser Adresse keine Passkeys. Frag seine Betreiber.",
    },
    codes: {
      closed: "Abgebrochen, oder hier gibt es keinen Passkey.",
      unsupported: "Hier gibt es keine Passkeys: Die Seite muss über https unter einem Namen " +
        "oder als localhost geöffnet werden, in einem Browser, der sie hat.",
      conflict: "Dein Gerät hat diesen Passkey schon.",
      not_found: "Diesen Passkey gibt es nicht mehr.",
      forbidden: "Melde dich auf diesem Gerät neu an und versuch es dann noch einmal.",
    },
  },

  factors: {
    title: "Zweiter Faktor",
    none: "Mit einer Authentifizierungs-App genügt dein Passwort allein nicht mehr zum Anmelden.",
    begin: "Authentifizierungs-App einrichten …",
    go: "Weiter",
    scan: "Scanne das mit deiner Authentifizierungs-App:",
    qr: "QR-Code für die Authentifizierungs-App",
    type: "Oder tippe dieses Geheimnis dort ein:",
    shown: "Code, den die App jetzt zeigt",
    confirm: "Einschalten",
    also: "Mit einer Authentifizierungs-App kannst du dich mit deinem Passwort auch da anmelden, " +
      "wo kein Passkey ist.",
    on: "Eine Authentifizierungs-App ist eingerichtet: Wer sich mit deinem Passwort anmeldet, " +
      "braucht ihren Code.",
    left: (count) =>
      plural(count, {
        one: "# Wiederherstellungscode ist übrig.",
        other: "# Wiederherstellungscodes sind übrig.",
      }),
    renew: "Neue Wiederherstellungscodes …",
    remove: "App entfernen …",
    removed: "Die Authentifizierungs-App ist entfernt.",
    codes: "Schreib diese Wiederherstellungscodes auf: Sie werden nur jetzt gezeigt. " +
      "Jeder meldet dich einmal an, zusammen mit deinem Passwort.",
    kept: "Ich habe sie",
  },

  shows: {
    online: "Online",
    chat: "Offen für Gespräche",
    away: "Abwesend",
    xa: "Länger abwesend",
    dnd: "Bitte nicht stören",
    offline: "Offline",
    unknown: "Unbekannt",
    invisible: "Unsichtbar",
  },

  presence: {
    unknown: "Im Moment unbekannt",
    seenToday: (time) => `Offline, zuletzt da: ${time}`,
    seenYesterday: (time) => `Offline, zuletzt da: gestern, ${time}`,
    seenOn: (day, time) => `Offline, zuletzt da: ${day}, ${time}`,
    withStatus: (show, status) => `${show} – ${status}`,
  },

  days: {
    today: "Heute",
    yesterday: "Gestern",
  },

  status: {
    title: "Dein Status",
    change: "Status ändern",
    legend: "Wie erreichbar du bist",
    text: "Was andere daneben lesen",
    example: "Beim Mittagessen",
    go: "Übernehmen",
    notConnected: "Nicht verbunden",
  },

  errors: {
    bad_request: "Das ist nicht möglich.",
    too_large: "Das ist zu lang.",
    not_found: "Das gibt es nicht mehr.",
    forbidden: "Das ist nicht erlaubt.",
    unsupported: "Der Server kann das nicht.",
    reset: "Das hat nicht geklappt. Versuch es noch einmal.",
    offline: "Der Server antwortet nicht. Prüfe die Verbindung und versuch es noch einmal.",
    untrusted:
      "Der Server konnte nicht beweisen, dass er dieses Konto kennt. Ihm wurde nichts gesendet.",
    busy: "Der Server hat gerade zu viel zu tun. Versuch es gleich noch einmal.",
    unavailable: "Der Server kann das gerade nicht. Versuch es gleich noch einmal.",
    limit_reached: "Davon gibt es schon zu viele.",
    moved: "Dieses Konto liegt auf einem anderen Server. Melde dich dort an:",
    storage: "Der Browser lässt diese Seite nichts speichern: Nicht gesendete Nachrichten können " +
      "verloren gehen.",
  },
  tooManyTries: (seconds) =>
    plural(seconds, {
      one: "Zu viele Versuche. Warte # Sekunde.",
      other: "Zu viele Versuche. Warte # Sekunden.",
    }),
  goesOn: "Das ist noch nicht fertig. Es läuft weiter, solange diese Seite offen ist.",
  done: "Jetzt ist es erledigt.",

  connection: {
    none: "Keine Verbindung zum Server. Sie wird neu aufgebaut …",
    offline:
      "Du bist offline. Sobald das Netz wieder da ist, wird neu verbunden und alles gesendet.",
    replaced: "Diese Anmeldung wird woanders benutzt.",
    refused: "Der Server hat die Verbindung abgelehnt.",
    back: "Wieder verbunden.",
    here: "Hier verbinden",
  },

  list: {
    label: "Personen",
    add: "Kontakt hinzufügen",
    settings: "Einstellungen",
    find: "Personen und Nachrichten suchen",
    filters: "Wer angezeigt wird",
    all: "Alle",
    online: "Online",
    unread: "Ungelesen",
    contacts: "Kontakte und Unterhaltungen",
    nobodyNamed: "Niemand mit diesem Namen. Mit dem Plus oben fügst du einen Kontakt hinzu.",
    nobodyOnline: "Niemand ist online.",
    nothingUnread: "Nichts ist ungelesen.",
    nobody: "Noch niemand hier. Mit dem Plus oben fügst du einen Kontakt hinzu.",
    unreadCount: " ungelesen",
    blocked: "Blockiert",
    typing: "Schreibt …",
    draft: "Entwurf: ",
    ownNotes: "Schreib dir selbst Notizen",
    notAccepted: "Hat noch nicht angenommen",
    hidden: "Zeigt nicht, wann er oder sie online ist",
  },

  requests: {
    label: "Anfragen",
    title: (count) => plural(count, { one: "# Anfrage", other: "# Anfragen" }),
    more: (count) => ` und ${number(count)} mehr`,
    wants: "möchte dich als Kontakt",
    announce: (name) => `${name} möchte dich als Kontakt`,
    accept: "Annehmen",
    decline: "Ablehnen",
    acceptName: (name) => `${name} annehmen`,
    declineName: (name) => `${name} ablehnen`,
    blockName: (name) => `${name} blockieren`,
  },

  search: {
    title: "Nachrichten",
    searching: "Wird gesucht …",
    none: "Keine Nachricht enthält diese Wörter.",
    further: "Weiter zurück suchen",
  },

  talk: {
    label: "Unterhaltung",
    choose: "Wähle jemanden aus, um zu schreiben.",
    back: "Zurück zur Liste",
    about: "Über diesen Kontakt",
    messages: "Nachrichten",
    newest: "Neueste",
    newCount: (count) => plural(count, { other: "# neue" }),
    unread: "Ungelesene Nachrichten",
    onlyYou: "Das siehst nur du",
    onlyYouWrite: "Nur du siehst, was du hier schreibst.",
    typing: (name) => `${name} schreibt …`,
    loadAgain: "Erneut laden",
    announce: (name) => `Nachricht von ${name}`,
    announceText: (name, text) => `${name}: ${text}`,
    blocked: (name) => `Du hast ${name} blockiert.`,
    asked: (name) =>
      `${name} hat deine Anfrage noch nicht angenommen. Was du schreibst, wird dann zugestellt.`,
    stranger: (name) =>
      `${name} gehört nicht zu deinen Kontakten. Wer nur Nachrichten von Kontakten nimmt, bekommt ` +
      "deine erst, nachdem du angenommen bist.",
    addOrBlock: "Hinzufügen oder blockieren …",
  },

  composer: {
    message: "Nachricht",
    help: "Enter sendet. Umschalt und Enter beginnt eine neue Zeile. Escape führt zur Liste.",
    send: "Senden",
    note: "Notiz schreiben",
    to: (name) => `Nachricht an ${name}`,
    tooLong: (percent) =>
      `Diese Nachricht ist zu lang. Kürze sie um etwa ${
        number(percent)
      } % oder sende sie in Teilen.`,
  },

  message: {
    acts: "Was mit dieser Nachricht geschehen soll",
    editing: "Du bearbeitest deine Nachricht",
    reply: "Antworten",
    editIt: "Bearbeiten",
    copy: "Text kopieren",
    removeIt: "Für beide entfernen",
    removeTitle: "Diese Nachricht entfernen?",
    removeText: "Ihr Text wird für euch beide entfernt. Das lässt sich nicht rückgängig machen.",
    react: (/** @type {string} */ emoji) => `Mit ${emoji} reagieren`,
    edited: "Bearbeitet",
    removed: "Diese Nachricht wurde entfernt",
    reactions: "Reaktionen",
    notLoaded: "Die Nachricht steht weiter oben",
    notFound: "Diese Nachricht ist nicht mehr zu finden.",
    both: (/** @type {string} */ name) => `Du und ${name}`,
    replyTo: (/** @type {string} */ text) => `Antwort auf: ${text}`,
    waiting: "Wartet",
    sent: "Gesendet",
    delivered: "Zugestellt",
    read: "Gelesen",
    failed: "Nicht gesendet",
    asked: (name) => `Wartet, bis ${name} annimmt`,
    unasked: (name) => `Nicht gesendet: ${name} ist noch kein Kontakt`,
    acceptRequest: "Anfrage annehmen",
    sendRequest: "Kontaktanfrage senden",
    tooManyWaiting: "Nicht gesendet: Es warten schon zu viele Nachrichten auf die Annahme.",
    tooManySent: "Nicht gesendet: Du hast zu viele Nachrichten gesendet. Versuch es später.",
    mailboxFull: (name) => `Nicht zugestellt: Das Postfach von ${name} ist voll`,
    notAccepted: "Nicht zugestellt: Sie wurde nicht angenommen",
    refused: "Nicht zugestellt: Der Server hat sie abgelehnt",
  },

  add: {
    title: "Kontakt hinzufügen",
    name: "Name",
    mutual: "Umgekehrt darf auch sichtbar sein, wann ich online bin",
    go: "Anfragen",
  },

  contact: {
    label: "Dein Name für diesen Kontakt",
    blocked: "Blockiert",
    mayWrite: "Darf dir schreiben",
    stranger: "Keiner deiner Kontakte",
    add: "Hinzufügen",
    inList: "In deiner Liste",
    seesThem: "Du siehst, wann dieser Kontakt online ist",
    stop: "Beenden",
    askedThem: "Du hast gefragt, ob du sehen darfst, wann dieser Kontakt online ist",
    withdraw: "Zurückziehen",
    seesThemNot: "Du siehst nicht, wann dieser Kontakt online ist",
    ask: "Fragen",
    seenNot: "Dieser Kontakt sieht nicht, wann du online bist",
    allow: "Erlauben",
    seen: "Dieser Kontakt sieht, wann du online bist",
    maySee: "Dieser Kontakt darf sehen, wann du online bist",
    removeTitle: (name) => `${name} entfernen?`,
    removeText: "Ihr seht dann nicht mehr, wann ihr online seid. Die Nachrichten bleiben.",
    removeContactsOnly: "Dir dürfen nur Kontakte schreiben: Das geht dann nicht mehr.",
  },

  settings: {
    title: "Einstellungen",
    who: (address) => `Angemeldet als ${address}`,
    devices: "Geräte",
    deviceOwn: (since) => `dieses hier, ${since}`,
    deviceOnline: (since) => `online, ${since}`,
    deviceOffline: (since) => `offline, ${since}`,
    sinceToday: "seit heute",
    sinceYesterday: "seit gestern",
    since: (day) => `seit ${day}`,
    signOutDevice: (device) => `${device} abmelden`,
    from: "Wer dir schreiben darf",
    fromAnyone: "Alle",
    fromContacts: "Nur meine Kontakte",
    away: "Abwesenheit",
    awayAfter: "Zeige mich als abwesend, wenn niemand da ist",
    awayNever: "Nie",
    awayMinutes: (minutes) => plural(minutes, { one: "Nach # Minute", other: "Nach # Minuten" }),
    language: "Sprache",
    languageHelp: "Sprache dieser Seite in diesem Browser",
    blocked: "Blockiert",
    unblockName: (name) => `${name} nicht mehr blockieren`,
    password: "Passwort",
    passwordOld: "Jetziges Passwort",
    passwordNew: "Neues Passwort",
    showNewPassword: "Neues Passwort anzeigen",
    passwordHelp: "Deine anderen Geräte werden abgemeldet.",
    passwordGo: "Passwort ändern",
    passwordDone: "Das Passwort wurde geändert.",
    passwordWrong: "Das jetzige Passwort ist ein anderes.",
    signOut: "Abmelden",
  },

  alerts: {
    title: "Benachrichtigungen",
    notify: "Über Nachrichten benachrichtigen, wenn ich woanders hinsehe",
    sound: "Mit einem Ton",
    refused:
      "Der Browser erlaubt es nicht. In seinen Einstellungen für diese Seite lässt es sich ändern.",
    missing: "Dieser Browser zeigt keine Benachrichtigungen.",
  },

  push: {
    on: "Auch benachrichtigen, wenn diese Seite geschlossen ist",
    content: "Was diese Benachrichtigungen zeigen",
    full: "Wer was geschrieben hat",
    sender: "Wer geschrieben hat",
    none: "Nur, dass es Nachrichten gibt",
    missing:
      "Dieser Browser kann nicht benachrichtigen, wenn die Seite geschlossen ist (auf iPhone " +
      "und iPad kann er es, wenn die Seite auf dem Home-Bildschirm liegt).",
    tab: "Wähle dafür beim Anmelden, auf diesem Gerät angemeldet zu bleiben.",
    server: "Dieser Server verschickt keine solchen Benachrichtigungen.",
    failed: "Der Push-Dienst des Browsers hat es nicht angenommen. Versuch es später.",
    wrote: "hat dir geschrieben",
    unread: (count) =>
      plural(count, { one: "# ungelesene Nachricht", other: "# ungelesene Nachrichten" }),
  },

  app: {
    title: "Als App",
    install: "Als App installieren",
    installed: "Das ist die installierte App.",
    how:
      "Wo ein Browser diese Seite als App installieren kann, bietet sein Menü es an (auf iPhone und iPad: Teilen, dann Zum Home-Bildschirm).",
  },

  keys: {
    title: "Tastenkürzel",
    next: "Nächste Unterhaltung",
    previous: "Vorige Unterhaltung",
    find: "Jemanden suchen",
    list: "Zur Liste",
    write: "Zum Nachrichtenfeld",
    settings: "Einstellungen",
    help: "Diese Tastenkürzel",
    send: "Nachricht senden",
    newLine: "Neue Zeile",
    back: "Zurück zur Liste",
    editLast: "Letzte eigene Nachricht bearbeiten",
    rows: "In der Liste bewegen",
    single: "Einzelne Tasten benutzen, außerhalb von Feldern",
    names: {
      Alt: "Alt",
      Shift: "Umschalt",
      Enter: "Enter",
      Escape: "Esc",
      ArrowUp: "↑",
      ArrowDown: "↓",
    },
  },

  signOut: {
    title: "Abmelden?",
    offline: (until) =>
      "Es gibt keine Verbindung, deshalb erfährt der Server nichts davon. Dieser Browser vergisst " +
      "deine Anmeldung und deine Nachrichten sofort. Für den Server bleibt dieses Gerät " +
      `angemeldet, bis die Anmeldung ${
        until === null ? "" : `am ${until} `
      }abläuft oder du es in ` +
      "den Einstellungen eines anderen Geräts abmeldest.",
    messages: (count) => plural(count, { one: "# Nachricht", other: "# Nachrichten" }),
    drafts: (count) => plural(count, { one: "# Entwurf", other: "# Entwürfe" }),
    both: (messages, drafts) => `${messages} und ${drafts}`,
    lost: (what) => `Noch nicht gesendet und beim Abmelden verloren: ${what}.`,
    more: (count) => `und ${number(count)} weitere`,
  },

  device: {
    browser: "Browser",
    on: (browser, system) => `${browser} auf ${system}`,
    alone: (browser) => `${browser}, Web-Chat`,
  },
};
