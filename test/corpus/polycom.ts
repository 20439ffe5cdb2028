/**
 * Polycom SoundPoint and VVX: no port in Via and Contact where it is 5060, capabilities as a quoted `methods` parameter of the Contact (RFC 3840),
 * its own address in the digest's uri; video offered beside audio, with b= lines in every section.
 */
import { type Sample, sample } from './sample.js'

export const polycom: readonly Sample[] = [
  sample(
    'polycom-register',
    'REGISTER',
    0,
    `request-uri[0].uri voip.example.net:0
     via[0].sent-by 192.168.1.31:0
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0
     contact[0].uri 192.168.1.31:0`,
    [],
    `
REGISTER sip:voip.example.net SIP/2.0
Via: SIP/2.0/UDP 192.168.1.31;branch=z9hG4bK9d0f3a6e7BC2F11A
From: "Room 12" <sip:2012@voip.example.net>;tag=71AC0E4D-8F0B2B11
To: <sip:2012@voip.example.net>
CSeq: 18 REGISTER
Call-ID: 0c4e52b6-7f1d9a3b-5d2e8a90@192.168.1.31
Contact: <sip:2012@192.168.1.31>;methods="INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, PRACK, UPDATE, REFER"
User-Agent: PolycomSoundPointIP-SPIP_450-UA/4.0.11.0583
Accept-Language: en
Authorization: Digest username="2012", realm="voip.example.net", nonce="6bd01f", uri="sip:192.168.1.31", response="0c1d5e6f"
Max-Forwards: 70
Expires: 3600
Content-Length: 0
`,
  ),
  sample(
    'polycom-video-ok',
    'INVITE',
    200,
    `via[0].sent-by 198.51.100.20:0
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0
     contact[0].uri 192.168.1.31:0`,
    ['audio 2222 192.168.1.31', 'video 2224 192.168.1.31'],
    `
SIP/2.0 200 OK
Via: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bK5e0a.1
From: "Door" <sip:2000@voip.example.net>;tag=q1
To: "Room 12" <sip:2012@voip.example.net>;tag=2F90B1C3-5D6E7F80
CSeq: 7 INVITE
Call-ID: 8b1c-door@198.51.100.20
Contact: <sip:2012@192.168.1.31>
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, PRACK, UPDATE, REFER
User-Agent: PolycomVVX-VVX_501-UA/6.4.5.1
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=- 1716700102 1716700102 IN IP4 192.168.1.31
s=Polycom IP Phone
c=IN IP4 192.168.1.31
b=AS:768
t=0 0
m=audio 2222 RTP/AVP 9 101
b=AS:64
a=rtpmap:9 G722/8000
a=sendrecv
m=video 2224 RTP/AVP 109
b=TIAS:704000
a=rtpmap:109 H264/90000
a=sendrecv
`,
  ),
]
