/**
 * Mitel MiVoice and MX-ONE: T.38 by re-INVITE with udptl (ITU-T T.38 annex D), Diversion (RFC 5806) beside History-Info (RFC 7044).
 */
import { type Sample, sample } from './sample.js'

export const mitel: readonly Sample[] = [
  sample(
    'mitel-t38-reinvite',
    'INVITE',
    0,
    `request-uri[0].uri 10.20.0.4:5060
     via[0].sent-by 10.20.0.9:5060
     from[0].uri 10.20.0.9:0
     to[0].uri 10.20.0.4:0
     contact[0].uri 10.20.0.9:5060
     diversion[0].uri 10.20.0.3:0
     history-info[0].uri 10.20.0.3:0
     history-info[1].uri 10.20.0.4:0`,
    ['image 50004 10.20.0.9'],
    `
INVITE sip:fax@10.20.0.4:5060 SIP/2.0
Via: SIP/2.0/UDP 10.20.0.9:5060;branch=z9hG4bK-fax-2
From: "Fax" <sip:900@10.20.0.9>;tag=fx1
To: <sip:fax@10.20.0.4>;tag=fx2
Call-ID: fax-000017-10.20.0.9
CSeq: 2 INVITE
Contact: <sip:900@10.20.0.9:5060>
Diversion: <sip:901@10.20.0.3>;reason=no-answer;counter=1
History-Info: <sip:901@10.20.0.3?Reason=SIP%3Bcause%3D408>;index=1, <sip:fax@10.20.0.4>;index=1.1
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=MxSIP 0 2 IN IP4 10.20.0.9
s=SIP Call
c=IN IP4 10.20.0.9
t=0 0
m=image 50004 udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxUdpEC:t38UDPRedundancy
`,
  ),
  sample(
    'mitel-t38-ok',
    'INVITE',
    200,
    `via[0].sent-by 192.0.2.10:41022
     from[0].uri 192.0.2.10:0
     to[0].uri 198.51.100.4:0
     contact[0].uri 198.51.100.4:5060`,
    ['audio 0 198.51.100.4', 'image 50008 198.51.100.4'],
    `
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.10:41022;branch=z9hG4bK-fax-2
From: "Fax" <sip:900@192.0.2.10>;tag=fx1
To: <sip:fax@198.51.100.4>;tag=fx2
Call-ID: fax-000017-10.20.0.9
CSeq: 2 INVITE
Contact: <sip:fax@198.51.100.4:5060>
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=MxSIP 0 3 IN IP4 198.51.100.4
s=SIP Call
c=IN IP4 198.51.100.4
t=0 0
m=audio 0 RTP/AVP 8
m=image 50008 udptl t38
a=T38FaxVersion:0
a=T38FaxRateManagement:transferredTCF
`,
  ),
]
