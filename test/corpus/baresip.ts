/**
 * baresip: a cookie in the Contact's user part (`bob-0x55d0c2a1`), reliable provisional answers (RFC 3262) on by default, a=rtcp with an address.
 */
import { type Sample, sample } from './sample.js'

export const baresip: readonly Sample[] = [
  sample(
    'baresip-ipv6-ringing',
    'INVITE',
    183,
    `via[0].sent-by 2001:db8:1::5:5060
     via[0].received 2001:db8:1::5:0
     to[0].uri 2001:db8:2::9:0
     from[0].uri 2001:db8:1::5:0
     contact[0].uri 2001:db8:2::9:5060`,
    ['audio 20010 2001:db8:2::9'],
    `
SIP/2.0 183 Session Progress
Via: SIP/2.0/UDP [2001:db8:1::5]:5060;branch=z9hG4bK1f2e3d4c;rport;received=2001:db8:1::5
To: <sip:bob@[2001:db8:2::9]>;tag=6e1f9d2a7b3c4d5e
From: <sip:alice@[2001:db8:1::5]>;tag=93d1c0e2b4a5f687
Call-ID: 7c2b1a09f8e7d6c5
CSeq: 4711 INVITE
Server: baresip v3.5.0 (x86_64/linux)
Contact: <sip:bob-0x55d0c2a1@[2001:db8:2::9]:5060>
RSeq: 1
Require: 100rel
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=- 2890844526 2890842807 IN IP6 2001:db8:2::9
s=-
c=IN IP6 2001:db8:2::9
t=0 0
m=audio 20010 RTP/AVP 96
a=rtpmap:96 opus/48000/2
a=rtcp:20011 IN IP6 2001:db8:2::9
a=recvonly
`,
  ),
  sample(
    'baresip-invite',
    'INVITE',
    0,
    `request-uri[0].uri 203.0.113.9:5080
     via[0].sent-by 192.168.7.10:5060
     contact[0].uri 192.168.7.10:5060
     to[0].uri 203.0.113.9:5080
     from[0].uri 192.168.7.10:0`,
    ['audio 10024 192.168.7.10'],
    `
INVITE sip:bob@203.0.113.9:5080 SIP/2.0
Via: SIP/2.0/UDP 192.168.7.10:5060;branch=z9hG4bK8c7d6e5f4a3b2c1d;rport
Contact: <sip:alice-0x7f31a0c0@192.168.7.10:5060>;expires=3600;+sip.instance="<urn:uuid:7a6b5c4d-3e2f-1a0b-9c8d-7e6f5a4b3c2d>"
Max-Forwards: 70
To: <sip:bob@203.0.113.9:5080>
From: "Alice" <sip:alice@192.168.7.10>;tag=5a4b3c2d1e0f9a8b
Call-ID: 1f2e3d4c5b6a7988
CSeq: 61230 INVITE
User-Agent: baresip v3.5.0 (x86_64/linux)
Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,SUBSCRIBE,INFO,MESSAGE,UPDATE,REFER
Supported: gruu,replaces,norefersub,100rel
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=- 3926472031 1204 IN IP4 192.168.7.10
s=-
c=IN IP4 192.168.7.10
t=0 0
a=tool:baresip 3.5.0
m=audio 10024 RTP/AVP 96 0
b=AS:125
a=rtpmap:96 opus/48000/2
a=rtcp:10025
a=rtcp-rsize
a=ssrc:2713920481 cname:sip:alice@192.168.7.10
a=sendrecv
a=label:1
`,
  ),
]
