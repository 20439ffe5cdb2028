/**
 * Cisco: CP-8841 and 79xx (Cisco's SIP phone administrator guide), Linksys-born SPA. c= in the media section alone, ports above
 * 16384, Remote-Party-ID with commas in quotes (draft-ietf-sip-privacy), Content-Disposition with handling; a 79xx sends from a port about 50000 and
 * listens at 5060, which Via and Contact name.
 */
import { type Sample, sample } from './sample.js'

export const cisco: readonly Sample[] = [
  sample(
    'cisco-invite-ok',
    'INVITE',
    200,
    `via[0].sent-by 10.10.1.2:5060
     via[1].sent-by 198.51.100.20:5060
     via[1].received 198.51.100.21:0
     from[0].uri 10.10.1.2:0
     to[0].uri 10.10.1.60:0
     remote-party-id[0].uri 10.10.1.60:0
     contact[0].uri 10.10.1.60:5060
     record-route[0].uri 198.51.100.20:0
     record-route[1].uri 10.10.1.2:5060`,
    ['audio 24690 10.10.1.60', 'video 0 10.10.1.60'],
    `
SIP/2.0 200 OK
Via: SIP/2.0/UDP 10.10.1.2:5060;branch=z9hG4bK4DA1F0, SIP/2.0/UDP 198.51.100.20:5060;received=198.51.100.21;branch=z9hG4bK88
From: <sip:4001@10.10.1.2>;tag=1C2F0E5A-1F3
To: <sip:4060@10.10.1.60>;tag=00059a3c78001db31c3f0a1b-6e4a5d12
Call-ID: 8E2C5D90-3B0511F0-8A1FC0E2-5D3F9B71@10.10.1.2
CSeq: 101 INVITE
Allow: ACK,BYE,CANCEL,INVITE,NOTIFY,OPTIONS,REFER,REGISTER,UPDATE,SUBSCRIBE,INFO
Remote-Party-ID: "Meeting Room, 2nd <floor>" <sip:4060@10.10.1.60>;party=called;id-type=subscriber;privacy=off;screen=yes
Contact: <sip:4060@10.10.1.60:5060;transport=udp>
Record-Route: <sip:198.51.100.20;lr;ftag=1C2F0E5A-1F3>,<sip:10.10.1.2:5060;lr>
Server: Cisco-CP8841/12.8.1
Content-Type: application/sdp
Content-Disposition: session;handling=optional
Content-Length: {length}
`,
    `
v=0
o=Cisco-SIPUA 22041 0 IN IP4 10.10.1.60
s=SIP Call
b=AS:4064
t=0 0
m=audio 24690 RTP/AVP 0 101
c=IN IP4 10.10.1.60
b=TIAS:64000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
m=video 0 RTP/AVP 97
c=IN IP4 10.10.1.60
`,
  ),
  sample(
    'cisco-spa-register',
    'REGISTER',
    0,
    `request-uri[0].uri voip.example.net:0
     via[0].sent-by 192.168.7.10:5060
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0
     contact[0].uri 192.168.7.10:5060`,
    [],
    `
REGISTER sip:voip.example.net SIP/2.0
Via: SIP/2.0/UDP 192.168.7.10:5060;branch=z9hG4bK-3f7a1e02
From: "Line 1" <sip:501@voip.example.net>;tag=9c1f4b2a6d3e8071o0
To: "Line 1" <sip:501@voip.example.net>
Call-ID: 5d0c2b8e-71fa93c6@192.168.7.10
CSeq: 30211 REGISTER
Max-Forwards: 70
Contact: "Line 1" <sip:501@192.168.7.10:5060>;expires=3600
User-Agent: Cisco/SPA504G-7.6.2c
Content-Length: 0
Allow: ACK, BYE, CANCEL, INFO, INVITE, NOTIFY, OPTIONS, REFER, UPDATE
Supported: replaces
`,
  ),
  sample(
    'cisco-7960-invite',
    'INVITE',
    0,
    `request-uri[0].uri voip.example.net:0
     via[0].sent-by 192.168.7.10:5060
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0
     contact[0].uri 192.168.7.10:5060
     remote-party-id[0].uri voip.example.net:0`,
    ['audio 23860 192.168.7.10'],
    `
INVITE sip:4002@voip.example.net;user=phone SIP/2.0
Via: SIP/2.0/UDP 192.168.7.10:5060;branch=z9hG4bK2a91c0d4
From: "4001" <sip:4001@voip.example.net>;tag=0013c3d5a7f00009e1b2c3d4-6f5e4d3c
To: <sip:4002@voip.example.net;user=phone>
Call-ID: 0013c3d5-a7f00004-1b2c3d4e-5f607182@192.168.7.10
Max-Forwards: 70
CSeq: 101 INVITE
User-Agent: Cisco-CP7960G/8.0
Contact: <sip:4001@192.168.7.10:5060;transport=udp>
Expires: 180
Accept: application/sdp
Remote-Party-ID: "4001" <sip:4001@voip.example.net>;party=calling;id-type=subscriber;privacy=off;screen=no
Content-Type: application/sdp
Content-Disposition: session;handling=optional
Content-Length: {length}
`,
    `
v=0
o=Cisco-SIPUA 18311 0 IN IP4 192.168.7.10
s=SIP Call
t=0 0
m=audio 23860 RTP/AVP 0 8 18 101
c=IN IP4 192.168.7.10
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
`,
  ),
]
