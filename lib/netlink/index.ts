export * from './attribute.js'
export { type EventsOptions, openEvents } from './events.js'
export * from './message.js'
export * from './nfnetlink.js'
export { openPackageTransport } from './package-transport.js'
export { openRoute, type Route, type RouteOptions, type RouteWatch, type WatchOptions } from './route.js'
export {
  joinGroup,
  type NetlinkSocket,
  type NetlinkSocketOptions,
  openNetlinkSocket,
  sendDatagram,
} from './socket.js'
export { openTransport, type TransportOptions } from './transport.js'
