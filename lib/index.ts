/** `cthelper`: conntrack helpers in user space. The layers are at cthelper/conntrack, /nfqueue, /nftables, /sip, /sdp. */
export type {
  CallInfo,
  CallState,
  EndReason,
  PinholeInfo,
  Refusal,
  RefusalReason,
  RegistrationInfo,
  StreamInfo,
} from '../types/call.js'
export type { ConeNatEvents, ConeNatOptions } from '../types/cone.js'
export type {
  DefinedHelperEvents,
  DefinedHelperStatus,
  DefineHelperOptions,
  ExpectedFlow,
  ExpectedMedia,
  Frame,
  Framed,
  HelperPacket,
  HelperRefusal,
  HelperWay,
  MediaWay,
  OnPacket,
  OnStreamMessage,
  PacketContext,
  PacketHelperOptions,
  StreamContext,
  StreamHelperOptions,
} from '../types/define.js'
export type { Endpoint, Family } from '../types/endpoint.js'
export type { CthelperErrorShape, ErrorCode } from '../types/errors.js'
export type { HelperEvents, HelperStatus } from '../types/helper.js'
export type {
  BudgetOptions,
  MediaOptions,
  PolicyOptions,
  SignallingOptions,
  SipHelperOptions,
} from '../types/options.js'
export type { MessageContext, OnMessage } from '../types/script.js'
export { ConeNat, type DefinedHelper, defineHelper, SipHelper } from './alg/index.js'
export { CthelperError } from './base/errors.js'
