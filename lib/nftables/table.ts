import type { Chain, Table, TableHelper } from '../../types/nftables.js'
import { CthelperError } from '../base/errors.js'
import { NLM_F_CREATE } from '../netlink/message.js'
import { type BatchMessage, payload } from './message.js'
import { chainTable, families, helperTable, NFT_OBJECT_CT_HELPER, tableTable } from './nftables.table.js'
import { encodeRule } from './rule.js'
import { protocols, type RuleContext } from './rule-builder.js'
import { encodeAnonymousSet, encodeSet } from './set.js'

/** enum nf_inet_hooks. */
const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const
/** NF_DROP, NF_ACCEPT. */
const policies = { drop: 0, accept: 1 } as const
const TABLE_OWNER = 2

type TableName = Pick<Table, 'family' | 'name'>

function newTable({ family, name, owned }: Table): BatchMessage {
  const bytes = payload(family, tableTable, { name, flags: owned ? TABLE_OWNER : 0 })
  return { name: 'NFT_MSG_NEWTABLE', flags: NLM_F_CREATE, payload: bytes, what: `table ${family} ${name}` }
}

/**
 * NFT_MSG_NEWTABLE that makes sure there is one: without NLM_F_EXCL and flags it does nothing to a table that is there, whatever
 * its flags. After it, `deleteTable` cannot fail with ENOENT.
 */
export function ensureTable({ family, name }: TableName): BatchMessage {
  const bytes = payload(family, tableTable, { name })
  return { name: 'NFT_MSG_NEWTABLE', flags: NLM_F_CREATE, payload: bytes, what: `table ${family} ${name}` }
}

/** NFT_MSG_DELTABLE: the table with all that is in it. */
export function deleteTable({ family, name }: TableName): BatchMessage {
  return {
    name: 'NFT_MSG_DELTABLE',
    flags: 0,
    payload: payload(family, tableTable, { name }),
    what: `table ${family} ${name}`,
  }
}

/**
 * The table and everything in it, in an order the kernel accepts: sets, helpers, chains (all of them, for rules may jump to any), rules.
 * Throws ERR_ARGUMENT for what cannot be, before anything is sent.
 */
export function encodeTable(table: Table, queueStyle: RuleContext['queueStyle']): BatchMessage[] {
  const { family, name } = table
  if (!(family in families))
    throw new CthelperError('ERR_ARGUMENT', 'table', `table: no family ${JSON.stringify(family)}`)
  const setIds = new Map((table.sets ?? []).map((set, index) => [set.name, index + 1]))
  let lastSetId = setIds.size
  const context: RuleContext = {
    family,
    queueStyle,
    setId: (set) => setIds.get(set),
    nextSetId: () => ++lastSetId,
  }
  const messages = [newTable(table)]
  for (const set of table.sets ?? []) messages.push(...encodeSet(family, name, set, setIds.get(set.name)!))
  for (const helper of table.helpers ?? []) messages.push(encodeHelper(table, helper))
  for (const chain of table.chains) messages.push(encodeChain(table, chain))
  for (const chain of table.chains) messages.push(...encodeRules(context, table, chain))
  return messages
}

function encodeHelper({ family, name: table }: Table, { name, type, protocol }: TableHelper): BatchMessage {
  const data = { name: type, l4proto: protocols[protocol] }
  return {
    name: 'NFT_MSG_NEWOBJ',
    flags: NLM_F_CREATE,
    payload: payload(family, helperTable, { table, name, type: NFT_OBJECT_CT_HELPER, data }),
    what: `ct helper ${family} ${table} ${name}`,
  }
}

function encodeRules(context: RuleContext, { family, name }: Table, chain: Chain): BatchMessage[] {
  return chain.rules.flatMap((rule, index) => {
    const comment = rule.comment === undefined ? '' : ` "${rule.comment}"`
    const what = `rule ${index}${comment} of chain ${family} ${name} ${chain.name}`
    const { message, sets } = encodeRule(context, name, chain.name, rule, what)
    return [...sets.flatMap((set) => encodeAnonymousSet(family, name, set, what)), message]
  })
}

function encodeChain({ family, name: table }: Table, chain: Chain): BatchMessage {
  const { name, type, hook, priority, policy } = chain
  const what = `chain ${family} ${table} ${name}`
  const base = [type, hook, priority].filter((part) => part !== undefined).length
  if (base !== 0 && base !== 3) {
    throw new CthelperError('ERR_ARGUMENT', what, `${what}: a base chain needs type, hook and priority together`)
  }
  if (base === 0 && policy !== undefined)
    throw new CthelperError('ERR_ARGUMENT', what, `${what}: only base chains have a policy`)
  const data =
    base === 0
      ? { table, name }
      : {
          table,
          name,
          type: type!,
          policy: policies[policy ?? 'accept'],
          hook: { number: hooks[hook!], priority: priority! },
        }
  return { name: 'NFT_MSG_NEWCHAIN', flags: NLM_F_CREATE, payload: payload(family, chainTable, data), what }
}
