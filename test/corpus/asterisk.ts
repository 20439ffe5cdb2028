/**
 * Asterisk's chan_sip and chan_pjsip (public configuration samples sip.conf, pjsip.conf; RFC 3581). chan_sip writes the port and `rport` into its Via
 * always, its address into From and Call-ID, and has a Date in INVITEs; chan_pjsip names itself `asterisk` where it has no user, writes branch and tag
 * as UUIDs, compact identifiers into Call-ID, and its Via says `alias` nowhere but rport always.
 */
import { type Sample, sample } from './sample.js'

export const asterisk: readonly Sample[] = [
  sample(
    'asterisk-invite',
    'INVITE',
    0,
    `request-uri[0].uri 198.51.100.20:5060
     via[0].sent-by 10.0.0.5:5060
     from[0].uri 10.0.0.5:0
     to[0].uri 198.51.100.20:0
     contact[0].uri 10.0.0.5:5060`,
    ['audio 14982 10.0.0.5'],
    `
INVITE sip:2125551212@198.51.100.20:5060 SIP/2.0
Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK6f2d91ab;rport
Max-Forwards: 70
From: "Front Desk" <sip:101@10.0.0.5>;tag=as51a3c2f7
To: <sip:2125551212@198.51.100.20>
Contact: <sip:101@10.0.0.5:5060>
Call-ID: 4ad1c33a5be0b15f0c2f4e1d6a7e9012@10.0.0.5:5060
CSeq: 102 INVITE
User-Agent: Asterisk PBX 20.5.0
Date: Tue, 03 Jun 2025 09:14:22 GMT
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
Supported: replaces, timer
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=root 1821403928 1821403928 IN IP4 10.0.0.5
s=Asterisk PBX 20.5.0
c=IN IP4 10.0.0.5
t=0 0
m=audio 14982 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=maxptime:150
a=sendrecv
`,
  ),
  sample(
    'asterisk-ringing-behind-proxy',
    'INVITE',
    180,
    `via[0].sent-by 198.51.100.20:5060
     via[0].received 198.51.100.20:0
     via[0].rport 5060
     record-route[0].uri 198.51.100.20:0
     from[0].uri 198.51.100.20:0
     to[0].uri 192.168.7.10:0
     contact[0].uri 192.168.7.10:5060`,
    [],
    `
SIP/2.0 180 Ringing
Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK0c1d2e3f;received=198.51.100.20;rport=5060
Record-Route: <sip:198.51.100.20;lr>
From: "Caller" <sip:7001@198.51.100.20>;tag=gK0a51
To: <sip:102@192.168.7.10>;tag=as0b7c21de
Call-ID: 51f2a0b3c4d5@198.51.100.20
CSeq: 4101 INVITE
Server: Asterisk PBX 16.30.0
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE
Supported: replaces, timer
Contact: <sip:102@192.168.7.10:5060>
Content-Length: 0
`,
  ),
  sample(
    'asterisk-pjsip-invite',
    'INVITE',
    0,
    `request-uri[0].uri 198.51.100.20:5060
     via[0].sent-by 192.168.7.10:5060
     from[0].uri 192.168.7.10:0
     to[0].uri 198.51.100.20:0
     contact[0].uri 192.168.7.10:5060
     route[0].uri 198.51.100.20:5060
     p-asserted-identity[0].uri 192.168.7.10:0`,
    ['audio 15732 192.168.7.10'],
    `
INVITE sip:+12125550147@198.51.100.20:5060 SIP/2.0
Via: SIP/2.0/UDP 192.168.7.10:5060;rport;branch=z9hG4bKPj7c2f90a4-51be-4d0e-9a7b-30f1c8d2e6a5
From: "Desk" <sip:102@192.168.7.10>;tag=e1c0a5d7-3b92-4f68-8c14-d7a9b0e2f356
To: <sip:+12125550147@198.51.100.20>
Contact: <sip:asterisk@192.168.7.10:5060>
Call-ID: 0d9e8c7b-6a5f-4e3d-2c1b-0a9f8e7d6c5b
CSeq: 21904 INVITE
Route: <sip:198.51.100.20:5060;lr>
Allow: OPTIONS, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, MESSAGE, INFO, REFER
Supported: 100rel, timer, replaces, norefersub, histinfo
Session-Expires: 1800
Min-SE: 90
P-Asserted-Identity: "Desk" <sip:102@192.168.7.10>
Max-Forwards: 70
User-Agent: Asterisk PBX 20.9.3
Content-Type: application/sdp
Content-Length:   {length}
`,
    `
v=0
o=- 1178351044 1178351044 IN IP4 192.168.7.10
s=Asterisk
c=IN IP4 192.168.7.10
t=0 0
m=audio 15732 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=ptime:20
a=maxptime:140
a=sendrecv
`,
  ),
]
