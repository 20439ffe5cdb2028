/** A transparent TCP proxy, and what it needs of the machine. */

export type { Cutter, Part } from '../base/cutter.js'
export type { Attendant, ConnectionEnds } from './connection.js'
export { FramedStream, type FramedStreamOptions } from './framed-stream.js'
export type { Done, MessageJudge } from './half.js'
export { type HostLimits, Hosts } from './hosts.js'
export { type Asked, type Dialled, type ProxyLimits, type ProxyOptions, TcpProxy } from './proxy.js'
export { openRouting, type Routing, type RoutingOptions } from './routing.js'
export { contactSet, contactSets, ownMark, type ProxyRulesOptions, proxyRules } from './rules.js'
