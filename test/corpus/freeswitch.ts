/**
 * FreeSWITCH (mod_sofia): a profile on port 5080, gateway parameters in the Contact, two P-Asserted-Identities (RFC 3325), hold as c=0.0.0.0 beside
 * a=sendonly (RFC 2543 and RFC 3264 at once), a CSeq that starts in the millions, `fs_path` escapes in the Request-URI.
 */
import { type Sample, sample } from './sample.js'

export const freeswitch: readonly Sample[] = [
  sample(
    'freeswitch-reinvite-hold',
    'INVITE',
    0,
    `request-uri[0].uri 192.0.2.10:41022
     via[0].sent-by 203.0.113.9:5080
     route[0].uri 198.51.100.3:0
     from[0].uri 203.0.113.9:0
     to[0].uri voip.example.net:0
     contact[0].uri 203.0.113.9:5080
     p-asserted-identity[0].uri 203.0.113.9:0`,
    ['audio 22814 0.0.0.0'],
    `
INVITE sip:2012@192.0.2.10:41022;fs_path=sip%3A198.51.100.3%3Blr SIP/2.0
Via: SIP/2.0/UDP 203.0.113.9:5080;rport;branch=z9hG4bKQ2g0BgXvF0S5r
Route: <sip:198.51.100.3;lr>
Max-Forwards: 69
From: "Alice \\"Al\\" <ops@desk>, 2nd" <sip:2001@203.0.113.9>;tag=Ze2cU5BvQ3jQa
To: <sip:2012@voip.example.net>;tag=71AC0E4D
Call-ID: 5e6b0c8d-9a2f-123e-f7b1-0242ac110002
CSeq: 131846912 INVITE
Contact: <sip:gw+carrier@203.0.113.9:5080;transport=udp;gw=carrier>
User-Agent: FreeSWITCH-mod_sofia/1.10.9-release
Session-Expires: 1800;refresher=uac
P-Asserted-Identity: "Alice" <sip:2001@203.0.113.9>, <tel:+12125550101>
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=FreeSWITCH 1716712043 1716712045 IN IP4 203.0.113.9
s=FreeSWITCH
c=IN IP4 0.0.0.0
t=0 0
m=audio 22814 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=silenceSupp:off - - - -
a=ptime:20
a=sendonly
a=rtcp:22815 IN IP4 203.0.113.9
`,
  ),
  sample(
    'freeswitch-progress',
    'INVITE',
    183,
    `via[0].sent-by 192.0.2.10:41022
     via[0].rport 41022
     via[0].received 192.0.2.10:0
     from[0].uri voip.example.net:0
     to[0].uri 203.0.113.9:0
     contact[0].uri 203.0.113.9:5080
     remote-party-id[0].uri 203.0.113.9:0`,
    ['audio 21998 203.0.113.9'],
    `
SIP/2.0 183 Session Progress
Via: SIP/2.0/UDP 192.0.2.10:41022;rport=41022;branch=z9hG4bK77.1;received=192.0.2.10
From: <sip:2012@voip.example.net>;tag=71AC0E4D
To: <sip:2001@203.0.113.9>;tag=4HvyjS5Q0B3Km
Call-ID: 2f61-fs
CSeq: 3 INVITE
Contact: <sip:2001@203.0.113.9:5080;transport=udp>
User-Agent: FreeSWITCH-mod_sofia/1.10.9-release
Accept: application/sdp
Remote-Party-ID: "2001" <sip:2001@203.0.113.9>;party=calling;privacy=off;screen=no
Content-Type: application/sdp
Content-Disposition: session
Content-Length: {length}
`,
    `
v=0
o=FreeSWITCH 1716720001 1716720002 IN IP4 203.0.113.9
s=FreeSWITCH
c=IN IP4 203.0.113.9
t=0 0
m=audio 21998 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=ptime:20
a=rtcp:21999 IN IP4 203.0.113.9
`,
  ),
]
