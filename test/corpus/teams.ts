/**
 * Microsoft Teams Direct Routing (Microsoft's pages on its SIP interface), as an SBC or proxy passes it on: header names in capitals, host names in
 * Contact and Record-Route with opaque parameters, tel: beside sip: in P-Asserted-Identity, SRTP with a=crypto (RFC 4568).
 */
import { type Sample, sample } from './sample.js'

export const teams: readonly Sample[] = [
  sample(
    'teams-invite',
    'INVITE',
    0,
    `request-uri[0].uri sbc.example.com:5061
     from[0].uri sip.hub.example:5061
     to[0].uri sbc.example.com:5061
     via[0].sent-by 198.51.100.20:5060
     via[1].sent-by 203.0.113.20:5061
     record-route[0].uri 198.51.100.20:5060
     record-route[1].uri sip-edge.hub.example:5061
     contact[0].uri api-du-a-euwe.hub.example:443
     p-asserted-identity[1].uri example.com:0`,
    ['audio 52036 203.0.113.24'],
    `
INVITE sip:+12125550147@sbc.example.com:5061;user=phone;transport=tls SIP/2.0
FROM: Ann<sip:+12125550100@sip.hub.example:5061;user=phone>;tag=1c7d30a2f8b94e65
TO: <sip:+12125550147@sbc.example.com:5061;user=phone>
CSEQ: 1 INVITE
CALL-ID: 6e0f9d8c7b5a4c3d2e1f0a9b8c7d6e5f
MAX-FORWARDS: 68
VIA: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK2a1b3c4d
VIA: SIP/2.0/TLS 203.0.113.20:5061;branch=z9hG4bK6d2e1f0a
RECORD-ROUTE: <sip:198.51.100.20:5060;lr>
RECORD-ROUTE: <sip:sip-edge.hub.example:5061;transport=tls;lr>
CONTACT: <sip:api-du-a-euwe.hub.example:443;x-i=6e0f9d8c-7b5a;x-c=1f0a9b8c/s/1/7d6e5f>
USER-AGENT: Microsoft.PSTNHub.SIPProxy v.2025.6.3.1 i.EUWE.4
P-ASSERTED-IDENTITY: <tel:+12125550100>,<sip:ann@example.com>
PRIVACY: id
CONTENT-TYPE: application/sdp
CONTENT-LENGTH: {length}
`,
    `
v=0
o=- 41005 0 IN IP4 203.0.113.24
s=session
c=IN IP4 203.0.113.24
b=CT:10000000
t=0 0
m=audio 52036 RTP/SAVP 104 8 0 101 13
c=IN IP4 203.0.113.24
a=rtcp:52037
a=label:main-audio
a=mid:1
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:b3VyIG93biBrZXkgZm9yIHRlc3RzIGFsb25l|2^31
a=sendrecv
a=rtpmap:104 SILK/16000
a=rtpmap:101 telephone-event/8000
a=ptime:20
`,
  ),
  sample(
    'teams-sbc-answer',
    'INVITE',
    200,
    `from[0].uri sip.hub.example:5061
     to[0].uri sbc.example.com:5061
     via[0].sent-by 198.51.100.20:5060
     via[1].sent-by 203.0.113.20:5061
     record-route[0].uri 198.51.100.20:5060
     record-route[1].uri sip-edge.hub.example:5061
     contact[0].uri sbc.example.com:5061`,
    ['audio 6010 192.168.7.10'],
    `
SIP/2.0 200 OK
FROM: Ann<sip:+12125550100@sip.hub.example:5061;user=phone>;tag=1c7d30a2f8b94e65
TO: <sip:+12125550147@sbc.example.com:5061;user=phone>;tag=1c88
CSEQ: 1 INVITE
CALL-ID: 6e0f9d8c7b5a4c3d2e1f0a9b8c7d6e5f
VIA: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK2a1b3c4d
VIA: SIP/2.0/TLS 203.0.113.20:5061;branch=z9hG4bK6d2e1f0a
RECORD-ROUTE: <sip:198.51.100.20:5060;lr>
RECORD-ROUTE: <sip:sip-edge.hub.example:5061;transport=tls;lr>
CONTACT: <sip:+12125550147@sbc.example.com:5061;transport=tls>
CONTENT-TYPE: application/sdp
CONTENT-LENGTH: {length}
`,
    `
v=0
o=- 1700218814 1700218815 IN IP4 192.168.7.10
s=-
c=IN IP4 192.168.7.10
t=0 0
m=audio 6010 RTP/SAVP 8 101
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:dGhlIG90aGVyIGtleSBmb3IgdGVzdHMgb25l|2^31
a=rtcp:6011 IN IP4 192.168.7.10
a=sendrecv
`,
  ),
]
