/** The one function of npm sdp-transform that is used; the package brings no types. */
declare module 'sdp-transform' {
  export function parse(sdp: string): import('../../types/sdp.js').SdpModel
}
