// @ts-check
/**
 * All texts of the chat in English. The other files of this folder have the same keys. A text with
 * values is a function; a value may be a text of a user, which the page isolates.
 */
import { wordsIn } from "./words.js";

const { number, plural } = wordsIn("en");

/** The texts, by the part of the page. */
export const t = {
  language: "en",

  // What several parts say.
  common: {
    close: "Close",
    show: "Show",
    hide: "Hide",
    loading: "Loading …",
    tryAgain: "Try again",
    remove: "Remove",
    block: "Block",
    unblock: "Unblock",
    save: "Save",
    cancel: "Cancel",
    yes: "Yes",
    you: "You: ",
    notes: "Notes",
    failed: "That did not work.",
    failedTryAgain: "That did not work. Try again.",
  },

  start: {
    wait: "One moment …",
    connecting: "Connecting …",
    noConnection: "No connection. Trying again …",
    offline: "You are offline. Connecting when the network is back …",
    offlineForm: "You are offline. Signing in needs the network.",
    signingIn: "Signing in …",
    signedOutElsewhere: "You were signed out. Sign in again to go on.",
    signedOutOffline: "You are signed out in this browser. There is no connection to the server.",
    ended: "The sign-in has ended.",
    full: "You are signed in on as many devices as an account may have.",
    endDevice: (/** @type {string} */ device) => `End the one on ${device}`,
    passwordSet: "Your password is set. Sign in with it.",
  },

  signIn: {
    title: "Sign in",
    titleNew: "Make an account",
    name: "Name",
    password: "Password",
    showPassword: "Show the password",
    invite: "Invite",
    inviteHelp: "The people who run this server can give you one.",
    remember: "Stay signed in on this device",
    go: "Sign in",
    goNew: "Make the account",
    toNew: "Make an account",
    toOld: "I have an account",
    documentation: "Documentation",
    otherWays: "Other ways in",
    withIssuer: (/** @type {string} */ issuer) => `Sign in with ${issuer}`,
    wrong: "The name or the password is wrong.",
    taken: "This name is taken. Choose another one.",
    cannotBeUsed: "This name or password cannot be used. Try another.",
    inviteInvalid: "This invite is not valid (any more). Ask for another one.",
    closed: "New accounts cannot be made here.",
  },

  /** Why a sign-in at an issuer failed: by the reason of the refusal, or by its code. */
  issuer: {
    unnamed: "the issuer",
    reasons: {
      denied: (/** @type {string} */ name) => `${name} did not sign you in.`,
      state: () => "This sign-in took too long, or was begun in another browser. Try again.",
      code: () => "This sign-in was used already, or took too long. Try again.",
      nonce: () => "This sign-in does not belong to this page. Try again.",
      expired: () => "This sign-in took too long. Try again.",
      not_yet: (/** @type {string} */ name) =>
        `The clocks of ${name} and of this server differ. Tell those who run it.`,
      name: (/** @type {string} */ name) =>
        `Your name at ${name} cannot be a name here. Ask those who run this server.`,
    },
    codes: {
      unauthorized: (/** @type {string} */ name) =>
        `What ${name} has sent is not accepted. Tell those who run this server.`,
      conflict: () =>
        "Somebody has your name here already. If that is you, ask those who run this server.",
      forbidden: () => "You have no account here. Ask those who run this server.",
      not_found: () => "This way to sign in is not offered any more.",
      moved: () => "Your account is at home at another server. Sign in there:",
      unavailable: (/** @type {string} */ name) =>
        `${name} cannot be reached now. Try again in a moment.`,
      busy: () => "The server has too much to do. Try again in a moment.",
      rate_limited: () => "Too many tries. Wait a moment.",
      offline: () => "The server does not answer. Check the connection and try again.",
    },
  },

  name: {
    empty: "Choose a name.",
    spaces: "A name has no spaces. Use a dot, a hyphen or an underscore.",
    long: "This name is too long.",
    letters: "A name consists of letters, digits, dots, hyphens and underscores.",
  },

  password: {
    rule: (/** @type {number} */ min) =>
      plural(min, { one: "At least # character.", other: "At least # characters." }),
    short: (/** @type {number} */ min) =>
      plural(min, { one: "Use at least # character.", other: "Use at least # characters." }),
    long: "This password is too long.",
    characters: "This password has characters that cannot be used.",
  },

  reset: {
    title: "Set a new password",
    name: "Name",
    password: "New password",
    help: "All devices of this account are signed out then.",
    go: "Set the password",
    used: "This link was used, or is too old. Ask for another one.",
    cannotBeUsed: "This password cannot be used. Try another.",
    tooMany: "Too many tries. Wait a moment.",
    later: "The server cannot do this now. Try again in a moment.",
  },

  second: {
    title: "One more step",
    help: "This account is protected by an authenticator app.",
    helpPasskey: "This account is protected by a passkey.",
    helpBoth: "This account is protected: use a passkey, or a code of the authenticator app.",
    recovery: "Recovery code",
    code: "Code of the app, or a recovery code",
    go: "Sign in",
    again: "Begin again",
    wrong: "This code is not right, or was used already.",
  },

  passkeys: {
    title: "Passkeys",
    signIn: "Sign in with a passkey",
    use: "Use a passkey",
    none: "With a passkey you sign in by the lock of your device, without a password. " +
      "From then on your password alone does not sign anybody in.",
    some: "Each of these signs you in alone. Signing in with your password needs a second factor.",
    add: "Add a passkey …",
    name: "Name of the passkey",
    nameLong: "This name is too long.",
    unused: "Not used yet.",
    used: (/** @type {string} */ day) => `Last used: ${day}.`,
    elsewhere: (/** @type {string} */ domain) => `Only for pages of ${domain}.`,
    rename: "Rename",
    renameNamed: (/** @type {string} */ name) => `Rename the passkey ${name}`,
    removeNamed: (/** @type {string} */ name) => `Remove the passkey ${name}`,
    added: "The passkey is added.",
    removed: "The passkey is removed. You can delete it on your device, too.",
    known: "Your device has a passkey of this account already.",
    last: "This is your only way to sign in: set a password first.",
    many: "An account cannot have more passkeys.",
    refused: "The server has refused this passkey.",
    reasons: {
      passkey: "This server does not know that passkey, or not any more.",
      counter: "This passkey was refused, because there may be a copy of it. " +
        "Ask the people who run this server.",
      challenge: "That took too long. Try again.",
      user: "Your device has not checked that it is you.",
      page: "This server takes no passkeys at this address. Ask the people who run it.",
    },
    codes: {
      closed: "It was cancelled, or there is no passkey here.",
      unsupported: "There are no passkeys here: the page has to be opened over https under a " +
        "name, or as localhost, in a browser that has them.",
      conflict: "Your device has this passkey already.",
      not_found: "There is no such passkey any more.",
      forbidden: "Sign in again on this device, and then try it once more.",
    },
  },

  factors: {
    title: "Second factor",
    none: "With an authenticator app, your password alone does not sign anybody in.",
    begin: "Set up an authenticator app …",
    go: "Go on",
    scan: "Scan this with your authenticator app:",
    qr: "QR code for the authenticator app",
    type: "Or type this secret into it:",
    shown: "Code that the app shows now",
    confirm: "Turn on",
    also: "With an authenticator app, your password signs you in where there is no passkey.",
    on: "An authenticator app is set up: signing in with your password needs its code.",
    left: (/** @type {number} */ count) =>
      plural(count, { one: "# recovery code is left.", other: "# recovery codes are left." }),
    renew: "New recovery codes …",
    remove: "Remove the app …",
    removed: "The authenticator app is removed.",
    codes: "Write these recovery codes down: they are shown only now. " +
      "Each signs you in once, together with your password.",
    kept: "I have them",
  },

  shows: {
    online: "Online",
    chat: "Free to chat",
    away: "Away",
    xa: "Away for long",
    dnd: "Do not disturb",
    offline: "Offline",
    unknown: "Unknown",
    invisible: "Invisible",
  },

  presence: {
    unknown: "Unknown at the moment",
    /** When they were here: `seenToday("10:20")`. */
    seenToday: (/** @type {string} */ time) => `Offline, last seen ${time}`,
    seenYesterday: (/** @type {string} */ time) => `Offline, last seen yesterday, ${time}`,
    seenOn: (/** @type {string} */ day, /** @type {string} */ time) =>
      `Offline, last seen ${day}, ${time}`,
    withStatus: (/** @type {string} */ show, /** @type {string} */ status) => `${show} – ${status}`,
  },

  days: {
    today: "Today",
    yesterday: "Yesterday",
  },

  status: {
    title: "Your status",
    change: "Change your status",
    legend: "How available you are",
    text: "What others read beside it",
    example: "At lunch",
    go: "Set",
    notConnected: "Not connected",
  },

  /** Failures, by code, that the server's text says less well. */
  errors: {
    bad_request: "That is not possible.",
    too_large: "This is too long.",
    not_found: "This does not exist any more.",
    forbidden: "This is not allowed.",
    unsupported: "The server cannot do this.",
    reset: "That did not work. Try again.",
    offline: "The server does not answer. Check the connection and try again.",
    untrusted: "The server could not prove that it knows this account. Nothing was sent to it.",
    busy: "The server has too much to do. Try again in a moment.",
    unavailable: "The server cannot do this now. Try again in a moment.",
    limit_reached: "There are too many already.",
    moved: "This account is at home at another server. Sign in there:",
    storage: "The browser does not let this page store anything: unsent messages may be lost.",
  },
  tooManyTries: (/** @type {number} */ seconds) =>
    plural(seconds, {
      one: "Too many tries. Wait # second.",
      other: "Too many tries. Wait # seconds.",
    }),
  goesOn: "This is not done yet. It goes on while this page is open.",
  done: "It is done now.",

  connection: {
    none: "No connection to the server. Reconnecting …",
    offline: "You are offline. Reconnecting when the network is back; messages are sent then.",
    replaced: "This sign-in is in use elsewhere.",
    refused: "The server refused the connection.",
    back: "Connected again.",
    here: "Connect here",
  },

  list: {
    label: "People",
    add: "Add a contact",
    settings: "Settings",
    find: "Find people and messages",
    filters: "Who is shown",
    all: "All",
    online: "Online",
    unread: "Unread",
    contacts: "Contacts and conversations",
    nobodyNamed: "Nobody of this name. The plus above adds a contact.",
    nobodyOnline: "Nobody is online.",
    nothingUnread: "Nothing is unread.",
    nobody: "Nobody here yet. Add a contact with the plus above.",
    /** Behind a number, for screen readers. */
    unreadCount: " unread",
    blocked: "Blocked",
    typing: "Typing …",
    draft: "Draft: ",
    ownNotes: "Write notes to yourself",
    notAccepted: "Has not accepted yet",
    hidden: "Does not show when they are online",
  },

  requests: {
    label: "Requests",
    title: (/** @type {number} */ count) =>
      plural(count, { one: "# request", other: "# requests" }),
    more: (/** @type {number} */ count) => ` and ${number(count)} more`,
    wants: "wants to be your contact",
    announce: (/** @type {string} */ name) => `${name} wants to be your contact`,
    accept: "Accept",
    decline: "Decline",
    acceptName: (/** @type {string} */ name) => `Accept ${name}`,
    declineName: (/** @type {string} */ name) => `Decline ${name}`,
    blockName: (/** @type {string} */ name) => `Block ${name}`,
  },

  search: {
    title: "Messages",
    searching: "Searching …",
    none: "No message has these words.",
    further: "Search further back",
  },

  talk: {
    label: "Conversation",
    choose: "Choose somebody to write to.",
    back: "Back to the list",
    about: "About this contact",
    messages: "Messages",
    newest: "Newest",
    newCount: (/** @type {number} */ count) => plural(count, { other: "# new" }),
    unread: "Unread messages",
    onlyYou: "Only you see these",
    onlyYouWrite: "Only you see what you write here.",
    typing: (/** @type {string} */ name) => `${name} is typing …`,
    loadAgain: "Load again",
    announce: (/** @type {string} */ name) => `Message from ${name}`,
    announceText: (/** @type {string} */ name, /** @type {string} */ text) => `${name}: ${text}`,
    blocked: (/** @type {string} */ name) => `You have blocked ${name}.`,
    asked: (/** @type {string} */ name) =>
      `${name} has not accepted your request yet. What you write is delivered when they do.`,
    stranger: (/** @type {string} */ name) =>
      `${name} is not one of your contacts. If they take messages from contacts only, yours wait ` +
      "until they accept you.",
    addOrBlock: "Add or block …",
  },

  composer: {
    message: "Message",
    help: "Enter sends. Shift and Enter makes a new line. Escape goes back to the list.",
    send: "Send",
    note: "Write a note",
    to: (/** @type {string} */ name) => `Message to ${name}`,
    tooLong: (/** @type {number} */ percent) =>
      `This message is too long. Shorten it by about ${number(percent)} %, or send it in parts.`,
  },

  message: {
    acts: "What to do with this message",
    editing: "You are editing your message",
    reply: "Reply",
    editIt: "Edit",
    copy: "Copy text",
    removeIt: "Remove for both",
    removeTitle: "Remove this message?",
    removeText: "Its text is removed for both of you. This cannot be undone.",
    react: (/** @type {string} */ emoji) => `React with ${emoji}`,
    edited: "Edited",
    removed: "This message was removed",
    reactions: "Reactions",
    notLoaded: "The message is further up",
    notFound: "This message cannot be found any more.",
    both: (/** @type {string} */ name) => `You and ${name}`,
    replyTo: (/** @type {string} */ text) => `In reply to: ${text}`,
    waiting: "Waiting",
    sent: "Sent",
    delivered: "Delivered",
    read: "Read",
    failed: "Not sent",
    asked: (/** @type {string} */ name) => `Waiting for ${name} to accept`,
    unasked: (/** @type {string} */ name) => `Not sent: ${name} is not a contact yet`,
    acceptRequest: "Accept their request",
    sendRequest: "Send a contact request",
    tooManyWaiting: "Not sent: too many messages wait for them to accept already.",
    tooManySent: "Not sent: you have sent too many messages. Try again later.",
    mailboxFull: (/** @type {string} */ name) => `Not delivered: ${name}'s mailbox is full`,
    notAccepted: "Not delivered: it was not accepted",
    refused: "Not delivered: the server refused it",
  },

  add: {
    title: "Add a contact",
    name: "Name",
    mutual: "They may see when I am online, too",
    go: "Ask",
  },

  contact: {
    label: "What you call them",
    blocked: "Blocked",
    mayWrite: "They can write to you",
    stranger: "Not one of your contacts",
    add: "Add",
    inList: "In your list",
    seesThem: "You see when they are online",
    stop: "Stop",
    askedThem: "You have asked to see when they are online",
    withdraw: "Withdraw",
    seesThemNot: "You do not see when they are online",
    ask: "Ask",
    seenNot: "They do not see when you are online",
    allow: "Allow",
    seen: "They see when you are online",
    maySee: "They may see when you are online",
    removeTitle: (/** @type {string} */ name) => `Remove ${name}?`,
    removeText: "You will not see when each other is online any more. The messages stay.",
    removeContactsOnly: "Only your contacts may write to you: they cannot then.",
  },

  settings: {
    title: "Settings",
    who: (/** @type {string} */ address) => `Signed in as ${address}`,
    devices: "Devices",
    deviceOwn: (/** @type {string} */ since) => `this one, ${since}`,
    deviceOnline: (/** @type {string} */ since) => `online, ${since}`,
    deviceOffline: (/** @type {string} */ since) => `offline, ${since}`,
    sinceToday: "since today",
    sinceYesterday: "since yesterday",
    since: (/** @type {string} */ day) => `since ${day}`,
    signOutDevice: (/** @type {string} */ device) => `Sign out ${device}`,
    from: "Who may write to you",
    fromAnyone: "Anyone",
    fromContacts: "My contacts only",
    away: "Away",
    awayAfter: "Show me as away when nobody is here",
    awayNever: "Never",
    awayMinutes: (/** @type {number} */ minutes) =>
      plural(minutes, { one: "After # minute", other: "After # minutes" }),
    language: "Language",
    languageHelp: "Language of this page in this browser",
    blocked: "Blocked",
    unblockName: (/** @type {string} */ name) => `Unblock ${name}`,
    password: "Password",
    passwordOld: "Current password",
    passwordNew: "New password",
    showNewPassword: "Show the new password",
    passwordHelp: "Your other devices are signed out.",
    passwordGo: "Change the password",
    passwordDone: "The password was changed.",
    passwordWrong: "The current password is another.",
    signOut: "Sign out",
  },

  alerts: {
    title: "Notifications",
    notify: "Notify me of messages while I look elsewhere",
    sound: "With a sound",
    refused: "The browser does not allow it. Its settings for this page can.",
    missing: "This browser shows no notifications.",
  },

  push: {
    on: "Also notify me while this page is closed",
    content: "What these notifications show",
    full: "Who wrote, and what",
    sender: "Who wrote",
    none: "Only that there are messages",
    missing: "This browser cannot notify you while the page is closed (on iPhone and iPad it can " +
      "once the page is on the home screen).",
    tab: "For this, choose to stay signed in when you sign in.",
    server: "This server sends no such notifications.",
    failed: "The browser's push service did not take it. Try again later.",
    wrote: "wrote to you",
    unread: (/** @type {number} */ count) =>
      plural(count, { one: "# unread message", other: "# unread messages" }),
  },

  app: {
    title: "As an app",
    install: "Install as an app",
    installed: "This is the installed app.",
    how:
      "Where a browser can install this page as an app, its menu offers it (on iPhone and iPad: Share, then Add to Home Screen).",
  },

  keys: {
    title: "Keyboard shortcuts",
    next: "Next conversation",
    previous: "Previous conversation",
    find: "Find somebody",
    list: "To the list",
    write: "To the message field",
    settings: "Settings",
    help: "These shortcuts",
    send: "Send the message",
    newLine: "New line",
    back: "Back to the list",
    editLast: "Edit your last message",
    rows: "Move in the list",
    single: "Use single keys, outside of fields",
    /** Keys with names of their own. */
    names: {
      Alt: "Alt",
      Shift: "Shift",
      Enter: "Enter",
      Escape: "Esc",
      ArrowUp: "↑",
      ArrowDown: "↓",
    },
  },

  signOut: {
    title: "Sign out?",
    /** Without a connection; `until` is the day on which the sign-in ends. */
    offline: (/** @type {string | null} */ until) =>
      "There is no connection, so that the server cannot be notified. This browser forgets your " +
      "sign-in and your messages now. For the server this device stays signed in until its " +
      `sign-in ends${until === null ? "" : ` on ${until}`}, or until you sign it out in the ` +
      "settings of another device.",
    messages: (/** @type {number} */ count) =>
      plural(count, { one: "# message", other: "# messages" }),
    drafts: (/** @type {number} */ count) => plural(count, { one: "# draft", other: "# drafts" }),
    both: (/** @type {string} */ messages, /** @type {string} */ drafts) =>
      `${messages} and ${drafts}`,
    lost: (/** @type {string} */ what) => `Not sent yet, and lost if you sign out: ${what}.`,
    more: (/** @type {number} */ count) => `and ${number(count)} more`,
  },

  device: {
    browser: "Browser",
    on: (/** @type {string} */ browser, /** @type {string} */ system) => `${browser} on ${system}`,
    alone: (/** @type {string} */ browser) => `${browser}, web chat`,
  },
};
