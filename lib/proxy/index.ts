/** SIP over TCP: a transparent proxy, and what it needs of the machine. */
export type { Attendant, ConnectionEnds } from './connection.js'
export type { Done, MessageJudge } from './half.js'
export { type ProxyLimits, type ProxyOptions, TcpProxy } from './proxy.js'
export { openRouting, type Routing, type RoutingOptions } from './routing.js'
export { contactSet, type ProxyRulesOptions, proxyRules } from './rules.js'
