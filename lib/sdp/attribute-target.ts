import type { Direction } from '../../types/sdp.js'
import type { OpenMedia } from './media.js'

/** What attributes say about a description; `media` is the section they stand in, undefined at the session level. */
export interface AttributeTarget {
  readonly bytes: Uint8Array
  media: OpenMedia | undefined
  direction: Direction
  setup: string
  iceUfrag: string
  readonly bundles: string[][]
  /** Of the line being read, its end included. */
  lineStart: number
  lineEnd: number
}
