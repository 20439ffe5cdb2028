/** The options of `cthelper run`, one row each: its flag, where its value stands in `SipHelperOptions`, and how it is read. */
import { type BudgetRow, budgetTable } from '../call/index.js'
import type { OptionRow } from './command.js'
import { callers, type Given, isOn, list, mark, number, numbers, portRange, text } from './setting-values.js'

export type ConfigValue = string | number | boolean | readonly (string | number)[]

export interface SettingRow extends OptionRow {
  /** Place in the configuration, `media.ports`: that of types/options.d.ts, or the command's own (`socket`, `log`, `metrics`). */
  readonly key: string
  /** The value as configuration; undefined when the text is none. Ranges are checked where the options are used. */
  readonly read: (given: Given) => ConfigValue | undefined
}

const verdict = (name: string, key: string, what: string): SettingRow => ({
  name,
  value: 'accept|drop',
  key: `policy.${key}`,
  read: text,
  help: `What happens to ${what}. Default accept.`,
})

/** What belongs into the help besides the sentence: its default, where that is a number. */
const standardText = ({ standard }: BudgetRow): string => (standard === undefined ? '' : ` Default ${standard}.`)

const budget = (row: BudgetRow): SettingRow => ({
  name: row.flag,
  value: 'N',
  key: `budgets.${row.name}`,
  read: number,
  help: `${row.what}${standardText(row)}`,
})

/** Those that say what the helper does; `check` and `ruleset` take some of them. */
export const helperSettings: readonly SettingRow[] = [
  {
    name: 'inside',
    value: 'NAME',
    isList: true,
    key: 'inside',
    read: list,
    help: 'Interfaces towards phones and PBXs; lo is this machine itself, for a PBX that runs on it. Needed.',
  },
  {
    name: 'outside',
    value: 'NAME',
    isList: true,
    key: 'outside',
    read: list,
    help: 'Interfaces towards registrars, providers and far phones. Needed.',
  },
  {
    name: 'mode',
    value: 'gateway|pbx|firewall',
    key: 'mode',
    read: text,
    help: 'What this machine is: gateway (phones inside, NAT or routing on the way out), pbx (a PBX inside with its SIP port forwarded, or on this machine), firewall (no NAT, no byte changed: ways for the media of answered calls alone). Default gateway.',
  },
  {
    name: 'masquerade',
    key: 'masquerade',
    read: isOn,
    help: 'Masquerade what leaves by the outside interfaces and turn forwarding on; both are taken back at the end.',
  },
  {
    name: 'media-ports',
    value: 'FIRST-LAST',
    key: 'media.ports',
    read: portRange,
    help: 'Outside ports for media. Default: the inside port itself while it is free, else from 30000 to 39999.',
  },
  {
    name: 'media-source',
    value: 'latch|exact|address',
    key: 'media.source',
    read: text,
    help: 'Which ports of the announced far address may send: the first that speaks and then no other, the announced one, or all. Default latch.',
  },
  {
    name: 'media-early',
    value: 'peer|none|any',
    key: 'media.early',
    read: text,
    help: 'Who may send before the answer: the signalling peer, nobody, or anybody. Default peer; in mode firewall none.',
  },
  {
    name: 'media-host',
    value: 'ADDR[/LENGTH]',
    isList: true,
    key: 'media.hosts',
    read: list,
    help: "Inside addresses, or prefixes of them, besides the sender's own, that SDP from inside may name. Default none.",
  },
  {
    name: 'media-idle',
    value: 'SEC',
    key: 'media.idleSec',
    read: number,
    help: 'A call without signalling and without a live media flow for so long is over. Default 3600.',
  },
  {
    name: 'translation',
    value: 'auto|function|maps',
    key: 'translation',
    read: text,
    help: "Who translates the media and signalling that is let in: the kernel's NAT function for expectations (nf_nat_sip), maps of our own nft table, or the first of both that is to be had. Default auto.",
  },
  {
    name: 'callers',
    value: 'registrar|any|ADDR',
    isList: true,
    key: 'signalling.callers',
    read: callers,
    help: 'Who may call a registered phone: its registrar, anybody, or these addresses and networks. Default registrar.',
  },
  {
    name: 'ways',
    value: 'live|registered',
    key: 'signalling.ways',
    read: text,
    help: 'Who opens ways in for signalling: calls and requests under way too, or registrations alone. Default live; in mode firewall registered.',
  },
  {
    name: 'peer',
    value: 'ADDR[/LENGTH]',
    isList: true,
    key: 'signalling.peers',
    read: list,
    help: 'Outside addresses, or prefixes of them, whose signalling is helped. Default everybody.',
  },
  {
    name: 'zone',
    value: 'N',
    key: 'zone',
    read: number,
    help: 'Conntrack zone of this traffic. Default 0.',
  },
  {
    name: 'cone-port',
    value: 'N',
    isList: true,
    key: 'cone.ports',
    read: numbers,
    help: 'Destination ports of other outbound flows (3478: STUN) that get cone filtering, UDP. Default none.',
  },
  {
    name: 'cone',
    value: 'restricted|full',
    key: 'cone.filtering',
    read: text,
    help: 'Who gets in to such a flow: the host it asked, from any port, or anybody. Default restricted.',
  },
  {
    name: 'moh-source',
    value: 'ADDR[/LENGTH]',
    isList: true,
    key: 'moh.sources',
    read: list,
    help: "Inside addresses, or prefixes of them, that music on hold comes from: while a call is held it leaves with the call's address and port. Default none.",
  },
  {
    name: 'moh-held-media',
    value: 'drop|pass',
    key: 'moh.heldMedia',
    read: text,
    help: 'What becomes of what the held party sends meanwhile, where there is a --moh-source. Default drop.',
  },
  {
    name: 'sip-port',
    value: 'N',
    isList: true,
    key: 'ports',
    read: numbers,
    help: 'SIP ports, UDP and TCP. Default 5060.',
  },
  {
    name: 'queue',
    value: 'N',
    key: 'queue',
    read: number,
    help: 'NFQUEUE number; the next one too, on kernels that do not send conntracks with packets. Default 5060.',
  },
  {
    name: 'lease',
    value: 'SEC',
    key: 'leaseSec',
    read: number,
    help: 'How long a pinhole outlives this process, if it is killed. Default 120.',
  },
  {
    name: 'tcp',
    value: 'auto|on|off',
    key: 'tcp.proxy',
    read: text,
    help: 'Help SIP over TCP, by a transparent proxy, or (mode firewall) as it goes by: where this machine has what it takes, always, or never. Default auto.',
  },
  {
    name: 'tcp-port',
    value: 'N',
    key: 'tcp.port',
    read: number,
    help: 'Where the proxy listens, at the loopback addresses. Default 15060.',
  },
  {
    name: 'tcp-mark',
    value: 'MARK',
    key: 'tcp.mark',
    read: mark,
    help: 'Mark of packets for the proxy, such as 0xc8005060, the default. Nobody else may use it, nor the next one.',
  },
  {
    name: 'tcp-table',
    value: 'N',
    key: 'tcp.table',
    read: number,
    help: 'Routing table for that mark. Default 5060.',
  },
  verdict('not-sip', 'notSip', 'what is not SIP at all on a SIP port: keep-alives, STUN'),
  verdict('malformed', 'malformed', 'what begins as SIP and breaks its grammar'),
  verdict('failure', 'failure', 'a message whose pinhole the kernel refused'),
  {
    name: 'signed',
    value: 'leave|edit',
    key: 'policy.signed',
    read: text,
    help: 'What happens to a session description under a signature, where addresses are translated: it is left alone, and its media gets no pinhole, or edited, and its signature breaks. Default leave.',
  },
  ...budgetTable.map(budget),
  {
    name: 'netns',
    value: 'PATH',
    key: 'netns',
    read: text,
    help: "Network namespace to work in, such as /run/netns/lab. Default: the process's own.",
  },
]

export const DEFAULT_SOCKET = '/run/cthelper.sock'

export const socketSetting: SettingRow = {
  name: 'socket',
  value: 'PATH',
  key: 'socket',
  read: text,
  help: `Control socket. Default ${DEFAULT_SOCKET}.`,
}

/** Those of the process around the helper. */
export const processSettings: readonly SettingRow[] = [
  socketSetting,
  {
    name: 'log',
    value: 'text|json',
    key: 'log',
    read: text,
    help: 'One line an event on standard output, for people or for machines. Default text.',
  },
  {
    name: 'script',
    value: 'FILE',
    key: 'script',
    read: text,
    help: 'ES module whose default export is asked about every message (onMessage). Default: none.',
  },
  {
    name: 'metrics',
    value: 'ADDR:PORT',
    key: 'metrics',
    read: text,
    help: 'Serve Prometheus metrics at http://ADDR:PORT/metrics. Default: not.',
  },
]
