/** cthelper/testing: network namespaces, traffic, witnesses, and a fake kernel for tests without root. */
export { Capture, type CapturedPacket, type CaptureOptions, decodePcap } from './capture.js'
export type { CommandOptions, CommandResult } from './command.js'
export { FakeConntrack, type FakeEntryFilter, type FakeEventsOptions } from './fake-conntrack.js'
export type { FakeConntrackOptions, FakePolicy, KernelEvent, PacketResult } from './fake-kernel.js'
export { type GatewayLab, type GatewayLabOptions, gatewayLab, type LabAddresses, type LabNat } from './gateway.js'
export { Lab, Namespace } from './netns.js'
export { whyNoLab } from './requirements.js'
export {
  decodeRtp,
  encodeRtp,
  type RtpCount,
  RtpMeter,
  type RtpPacket,
  type RtpStreamOptions,
  rtpNumber,
  sendRtp,
} from './rtp.js'
export { type RequestOptions, type SdpTextOptions, SipPeer, SipText, sdpTarget, sdpText, sipText } from './sip.js'
export { runSipp, type SippOptions, type SippResult } from './sipp.js'
export { type TcpEnd, TcpEndpoint, TcpListener } from './tcp.js'
export { pause, scaled, timeScale, until } from './time.js'
export { type Datagram, endpointText, type ReceiveOptions, UdpEndpoint } from './udp.js'
export {
  conntrackEntries,
  expectations,
  type NftObject,
  nftRuleset,
  type WitnessedEntry,
} from './witness.js'
