import type { Rule } from '../../types/nftables.js'
import { encode, type Table, type TypeOf, type Writer } from '../netlink/attribute.js'
import { NLM_F_APPEND, NLM_F_CREATE } from '../netlink/message.js'
import { encodeExpression } from './expression.js'
import type { BatchMessage } from './message.js'
import { type MessagePart, startPayload } from './message.js'
import { expressionTables, families, type KernelExpression, RULE_EXPRESSIONS, ruleTable } from './nftables.table.js'
import { type AnonymousSet, RuleBuilder, type RuleContext } from './rule-builder.js'
import { encodeComment } from './user-data.js'

const NESTED = 0x8000
/** NFTA_LIST_ELEM, NFTA_EXPR_NAME, NFTA_EXPR_DATA. */
const ELEMENT = 1
const NAME = 1
const DATA = 2

/** A rule's message and the anonymous sets that must come before it. */
export interface EncodedRule {
  readonly message: BatchMessage
  readonly sets: readonly AnonymousSet[]
}

/** NFT_MSG_NEWRULE that appends `rule` to the chain. `what` names the rule in errors. Throws ERR_ARGUMENT. */
export function encodeRule(context: RuleContext, table: string, chain: string, rule: Rule, what: string): EncodedRule {
  const builder = new RuleBuilder(context, what)
  const parts: MessagePart[] = []
  const writer = startPayload(families[context.family])
  encode(ruleTable, { table, chain }, writer)
  writer.attribute(RULE_EXPRESSIONS | NESTED, () => {
    for (const [index, expression] of rule.expressions.entries()) {
      const from = builder.expressions.length
      const start = writer.length
      encodeExpression(builder, expression)
      for (const encoded of builder.expressions.slice(from)) encodeKernelExpression(writer, encoded)
      parts.push({ start, end: writer.length, what: `expression ${index} (${expression.kind})` })
    }
  })
  if (rule.comment !== undefined) encode(ruleTable, { userData: encodeComment(rule.comment, what) }, writer)
  const flags = NLM_F_CREATE | NLM_F_APPEND
  return { message: { name: 'NFT_MSG_NEWRULE', flags, payload: writer.bytes(), what, parts }, sets: builder.sets }
}

/** One element of NFTA_RULE_EXPRESSIONS. An expression that has no attributes at all gets no NFTA_EXPR_DATA either, as from nft. */
export function encodeKernelExpression(writer: Writer, { name, data }: KernelExpression): void {
  const table: Table = expressionTables[name]
  writer.attribute(ELEMENT | NESTED, () => {
    writer.attribute(NAME, () => {
      writer.raw(Buffer.from(`${name}\0`, 'latin1'))
    })
    if (Object.keys(table).length === 0) return
    writer.attribute(DATA | NESTED, () => encode(table, data as TypeOf<Table>, writer))
  })
}
