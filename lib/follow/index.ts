/** TCP connections that go by, followed and not touched (RFC 9293): what each end says is cut into messages, which wait for their judgement. */
export {
  type End,
  type Fate,
  FollowedConnection,
  type FollowedConnectionOptions,
  type SeenSegment,
} from './connection.js'
