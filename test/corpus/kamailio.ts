/**
 * Kamailio, as a registrar and edge proxy (its modules registrar, nathelper, path and rr): `received` as a parameter of stored Contacts and of Path
 * (RFC 3327), contacts of other devices in the 200 to a REGISTER, Record-Route with `ftag` and `did`, two Record-Routes where it changes the transport.
 */
import { type Sample, sample } from './sample.js'

export const kamailio: readonly Sample[] = [
  sample(
    'kamailio-register-ok',
    'REGISTER',
    200,
    `via[0].sent-by 192.0.2.10:41022
     via[0].rport 41022
     via[0].received 192.0.2.10:0
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0
     contact[0].uri 192.0.2.10:41022
     contact[0].received 192.0.2.10:41022
     contact[1].uri 2001:db8::31:5062
     path[0].uri 198.51.100.3:0
     path[0].received 192.0.2.10:41022`,
    [],
    `
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.10:41022;branch=z9hG4bK9d0f3a6e7BC2F11A;rport=41022;received=192.0.2.10
From: "Room 12" <sip:2012@voip.example.net>;tag=71AC0E4D-8F0B2B11
To: <sip:2012@voip.example.net>;tag=b27e1a1d33761e85846fc98f5f3a7e58.8d40
CSeq: 18 REGISTER
Call-ID: 0c4e52b6-7f1d9a3b-5d2e8a90@192.168.1.31
Contact: <sip:2012@192.0.2.10:41022>;expires=600;received="sip:192.0.2.10:41022", <sip:2012@[2001:DB8:0::31]:5062;transport=tcp>;expires=120
Path: <sip:198.51.100.3;lr;received=sip:192.0.2.10:41022>
Server: kamailio (5.7.2 (x86_64/linux))
Content-Length: 0
`,
  ),
  sample(
    'kamailio-relayed-invite',
    'INVITE',
    0,
    `request-uri[0].uri 192.0.2.10:41022
     record-route[0].uri 198.51.100.3:0
     record-route[1].uri 198.51.100.3:0
     via[0].sent-by 198.51.100.3:0
     via[1].sent-by 203.0.113.50:5074
     via[1].received 203.0.113.50:0
     via[1].rport 60112
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0
     contact[0].uri 203.0.113.50:60112`,
    ['audio 40100 203.0.113.50'],
    `
INVITE sip:2012@192.0.2.10:41022;alias=192.0.2.10~41022~1 SIP/2.0
Record-Route: <sip:198.51.100.3;transport=tcp;r2=on;lr;ftag=x7>,<sip:198.51.100.3;r2=on;lr;ftag=x7>
Via: SIP/2.0/UDP 198.51.100.3;branch=z9hG4bK1d3a.8c5f0b7e2d4a6c81.0;i=c9b2
Via: SIP/2.0/TCP 203.0.113.50:5074;received=203.0.113.50;rport=60112;branch=z9hG4bK-pc1
Max-Forwards: 68
From: <sip:2040@voip.example.net>;tag=x7
To: <sip:2012@voip.example.net>
Call-ID: 44a1-relay
CSeq: 1 INVITE
Contact: <sip:2040@203.0.113.50:60112;transport=tcp;alias=203.0.113.50~60112~2>
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=- 9 9 IN IP4 203.0.113.50
s=-
c=IN IP4 203.0.113.50
t=0 0
m=audio 40100 RTP/AVP 0
a=nortpproxy:yes
`,
  ),
]
