/**
 * No product: what RFC 3261 7.3.1 and 25.1 allow and few send (folds, spaces, any case), multipart bodies (RFC 5621), and streams that are not RTP
 * (RFC 4975, 8856).
 */
import { type Sample, sample } from './sample.js'

export const grammar: readonly Sample[] = [
  sample(
    'folded-and-spaced',
    'BYE',
    0,
    `request-uri[0].uri 192.0.2.77:5070
     via[0].sent-by 192.168.7.7:5060
     via[1].sent-by 192.168.7.1:0
     via[1].maddr 239.255.255.1:0
     via[2].sent-by edge-1.example.com:5061
     route[0].uri 192.168.7.1:0
     route[1].uri edge-1.example.com:5061
     from[0].uri 192.168.7.7:0
     to[0].uri 192.0.2.77:5070
     reply-to[0].uri 192.168.7.7:5060`,
    [],
    `
BYE sip:user:secret@192.0.2.77:5070;lr SIP/2.0
VIA : SIP / 2.0 / UDP
\t192.168.7.7 : 5060
 ;branch = z9hG4bKfold ;rport ,
 SIP/2.0/UDP 192.168.7.1;maddr=239.255.255.1;ttl=16
via: SIP/2.0/TLS edge-1.example.com:5061;branch=z9hG4bKtop
rOUTE:
 <sip:192.168.7.1;lr>
 , <sips:edge-1.example.com:5061;lr>
From: caller <sip:100@192.168.7.7>
  ;tag=f1
To: "a \\\\" <sip:user@192.0.2.77:5070>;tag=t1
CSeq: 0007
 BYE
Call-ID: folded@192.168.7.7
Reply-To: sip:100@192.168.7.7:5060
Subject: lunch,
 sip:1.2.3.4 is no address here
`,
  ),
  sample(
    'multipart-invite',
    'INVITE',
    0,
    `request-uri[0].uri 192.0.2.4:0
     via[0].sent-by 172.16.4.2:5060
     from[0].uri 172.16.4.2:0
     to[0].uri 192.0.2.4:0
     contact[0].uri 172.16.4.2:5060`,
    ['audio 6000 172.16.4.2'],
    `
INVITE sip:112@192.0.2.4 SIP/2.0
Via: SIP/2.0/UDP 172.16.4.2:5060;branch=z9hG4bKmulti
From: <sip:5@172.16.4.2>;tag=m1
To: <sip:112@192.0.2.4>
Call-ID: multi-1@172.16.4.2
CSeq: 1 INVITE
Contact: <sip:5@172.16.4.2:5060>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="a boundary"
Content-Length: {length}
`,
    `
--a boundary
Content-Type: application/sdp
Content-Length: 87

v=0
o=- 1 1 IN IP4 172.16.4.2
s=-
c=IN IP4 172.16.4.2
t=0 0
m=audio 6000 RTP/AVP 0
--a boundary
Content-Type: application/pidf+xml
Content-ID: <where@172.16.4.2>

<presence><note>c=IN IP4 172.16.4.2</note></presence>
--a boundary--
`,
  ),
  sample(
    'msrp-and-bfcp-offer',
    'INVITE',
    0,
    `request-uri[0].uri conf.example.com:0
     via[0].sent-by 192.168.5.5:5060
     from[0].uri example.com:0
     to[0].uri conf.example.com:0
     contact[0].uri 192.168.5.5:5060`,
    ['message 7394 192.168.5.5', 'application 9 192.168.5.5', 'audio 5004 192.168.5.6'],
    `
INVITE sip:room@conf.example.com SIP/2.0
Via: SIP/2.0/UDP 192.168.5.5:5060;branch=z9hG4bKmsrp
From: <sip:carol@example.com>;tag=c4
To: <sip:room@conf.example.com>
Call-ID: msrp-1
CSeq: 9 INVITE
Contact: <sip:carol@192.168.5.5:5060>
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=carol 2890844526 2890844526 IN IP4 192.168.5.5
s=-
c=IN IP4 192.168.5.5
t=0 0
m=message 7394 TCP/MSRP *
a=accept-types:text/plain
a=path:msrp://192.168.5.5:7394/2s93i9ek2a;tcp
a=setup:active
m=application 9 TCP/BFCP *
a=setup:actpass
a=floorctrl:c-s
m=audio 5004/2 RTP/AVP 0
c=IN IP4 192.168.5.6
`,
  ),
]
