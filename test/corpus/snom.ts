/**
 * snom: port 2051 and a line number in the Contact (`;line=`, RFC 3261 19.1.1), `Contact: *` when it starts anew (RFC 3261 10.2.2), reg-id.
 */
import { type Sample, sample } from './sample.js'

export const snom: readonly Sample[] = [
  sample(
    'snom-contact-star',
    'REGISTER',
    0,
    `request-uri[0].uri voip.example.net:0
     via[0].sent-by 192.168.10.90:2051
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0`,
    [],
    `
REGISTER sip:voip.example.net SIP/2.0
Via: SIP/2.0/UDP 192.168.10.90:2051;branch=z9hG4bK-s2k1;rport
From: "snom" <sip:90@voip.example.net>;tag=p3n
To: "snom" <sip:90@voip.example.net>
Call-ID: 3c2670-0dj1@snom370
CSeq: 3 REGISTER
Max-Forwards: 70
Contact: *
Expires: 0
Content-Length: 0
`,
  ),
  sample(
    'snom-invite-ok',
    'INVITE',
    200,
    `via[0].sent-by 198.51.100.20:5060
     via[0].rport 5060
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0
     contact[0].uri 192.168.10.90:2051`,
    ['audio 58122 192.168.10.90'],
    `
SIP/2.0 200 Ok
Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK-sn9;rport=5060
From: <sip:91@voip.example.net>;tag=k2
To: "snom" <sip:90@voip.example.net>;tag=7s1w0d3
Call-ID: 6b1f-snom
CSeq: 1 INVITE
Contact: <sip:90@192.168.10.90:2051;line=q8f0c1z2>;reg-id=1
User-Agent: snom370/8.7.5.44
Accept: application/sdp
Allow: INVITE, ACK, CANCEL, BYE, REFER, OPTIONS, NOTIFY, SUBSCRIBE, PRACK, MESSAGE, INFO, UPDATE
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=root 1801247311 1801247312 IN IP4 192.168.10.90
s=call
c=IN IP4 192.168.10.90
t=0 0
m=audio 58122 RTP/AVP 9 0 8 101
a=direction:both
a=rtpmap:9 G722/8000
a=ptime:20
a=sendrecv
`,
  ),
]
