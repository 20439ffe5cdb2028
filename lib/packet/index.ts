/** IP and UDP around a payload (RFC 791, 8200, 768): where it is, and the packet with another one; and the ends of TCP segments (RFC 9293). */

export { datagram } from './datagram.js'
export { allowFragments, fragmentsOf } from './fragment.js'
export { locate } from './locate.js'
export { rebuild } from './rebuild.js'
export { isTcp, locateSegment, withDestination, withoutData } from './segment.js'
