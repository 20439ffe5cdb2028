/**
 * JsSIP and other browsers behind a proxy (RFC 7118 5, 8): Via and Contact with a host name under .invalid, UDP/TLS/RTP/SAVPF, BUNDLE, rtcp-mux, ICE
 * (RFC 8839), o= at 127.0.0.1, a=rtcp:9 with 0.0.0.0 where nothing is to be sent (RFC 8829 5.2.1).
 */
import { type Sample, sample } from './sample.js'

export const jssip: readonly Sample[] = [
  sample(
    'jssip-invite-through-proxy',
    'INVITE',
    0,
    `request-uri[0].uri 192.0.2.10:41022
     record-route[0].uri 198.51.100.3:0
     record-route[1].uri 198.51.100.3:443
     via[0].sent-by 198.51.100.3:0
     via[1].sent-by r8d0q1lk5vfb.invalid:0
     via[1].rport 51234
     via[1].received 203.0.113.90:0
     to[0].uri voip.example.net:0
     from[0].uri voip.example.net:0
     contact[0].uri r8d0q1lk5vfb.invalid:0`,
    ['audio 51700 203.0.113.90'],
    `
INVITE sip:2012@192.0.2.10:41022 SIP/2.0
Record-Route: <sip:198.51.100.3;r2=on;lr;ftag=c0hv1ar8tk>
Record-Route: <sip:198.51.100.3:443;transport=ws;r2=on;lr;ftag=c0hv1ar8tk>
Via: SIP/2.0/UDP 198.51.100.3;branch=z9hG4bK9e71.0
Via: SIP/2.0/WSS r8d0q1lk5vfb.invalid;rport=51234;received=203.0.113.90;branch=z9hG4bK4719302
Max-Forwards: 68
To: <sip:2012@voip.example.net>
From: "Web" <sip:web@voip.example.net>;tag=c0hv1ar8tk
Call-ID: 8m1vq7n2pl0d3kfb6sxa
CSeq: 4821 INVITE
Contact: <sip:q7v0k2sb@r8d0q1lk5vfb.invalid;transport=ws;alias=203.0.113.90~51234~6;ob>
Session-Expires: 90
Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY
Supported: timer,ice,replaces,outbound
User-Agent: JsSIP 3.10.1
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=- 8310472650912834756 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 51700 UDP/TLS/RTP/SAVPF 111 0 8
c=IN IP4 203.0.113.90
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1467250027 1 udp 2122260223 192.168.44.7 51700 typ host generation 0
a=candidate:2999745851 1 udp 1685987071 203.0.113.90 51700 typ srflx raddr 192.168.44.7 rport 51700 generation 0
a=ice-ufrag:Gq2z
a=ice-pwd:our0wn0password0for0tests
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
`,
  ),
  sample(
    'jssip-answer-by-phone',
    'INVITE',
    200,
    `record-route[0].uri 198.51.100.3:0
     record-route[1].uri 198.51.100.3:443
     via[0].sent-by 198.51.100.3:0
     via[1].sent-by r8d0q1lk5vfb.invalid:0
     via[1].rport 51234
     via[1].received 203.0.113.90:0
     to[0].uri voip.example.net:0
     from[0].uri voip.example.net:0
     contact[0].uri 192.168.7.10:5060`,
    ['audio 6020 192.168.7.10'],
    `
SIP/2.0 200 OK
Record-Route: <sip:198.51.100.3;r2=on;lr;ftag=c0hv1ar8tk>
Record-Route: <sip:198.51.100.3:443;transport=ws;r2=on;lr;ftag=c0hv1ar8tk>
Via: SIP/2.0/UDP 198.51.100.3;branch=z9hG4bK9e71.0
Via: SIP/2.0/WSS r8d0q1lk5vfb.invalid;rport=51234;received=203.0.113.90;branch=z9hG4bK4719302
To: <sip:2012@voip.example.net>;tag=ph1
From: "Web" <sip:web@voip.example.net>;tag=c0hv1ar8tk
Call-ID: 8m1vq7n2pl0d3kfb6sxa
CSeq: 4821 INVITE
Contact: <sip:2012@192.168.7.10:5060>
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=- 77 1 IN IP4 192.168.7.10
s=-
c=IN IP4 192.168.7.10
t=0 0
a=ice-lite
m=audio 6020 UDP/TLS/RTP/SAVPF 8
a=ice-ufrag:Lp0a
a=ice-pwd:another0password0for0tests
a=candidate:1 1 UDP 2130706431 192.168.7.10 6020 typ host
a=fingerprint:sha-256 FF:EE:DD:CC:BB:AA:99:88:77:66:55:44:33:22:11:00:FF:EE:DD:CC:BB:AA:99:88:77:66:55:44:33:22:11:00
a=setup:passive
a=mid:0
a=rtcp-mux
a=sendrecv
`,
  ),
]
