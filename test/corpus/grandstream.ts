/**
 * Grandstream GXP: a Call-ID that spells the address in letters, Replaces escaped in Refer-To (RFC 3891, 3515), Referred-By with its own endpoint.
 */
import { type Sample, sample } from './sample.js'

export const grandstream: readonly Sample[] = [
  sample(
    'grandstream-refer-replaces',
    'REFER',
    0,
    `request-uri[0].uri 203.0.113.9:5080
     via[0].sent-by 192.168.1.80:5060
     from[0].uri pbx.example.org:0
     to[0].uri 203.0.113.9:0
     contact[0].uri 192.168.1.80:5060
     refer-to[0].uri 192.168.1.82:5060
     referred-by[0].uri 192.168.1.80:5060`,
    [],
    `
REFER sip:carrier@203.0.113.9:5080 SIP/2.0
Via: SIP/2.0/UDP 192.168.1.80:5060;branch=z9hG4bK2086470131;rport
From: <sip:380@pbx.example.org>;tag=1428090117
To: <sip:2001@203.0.113.9>;tag=Ze2cU5BvQ3jQa
Call-ID: 1208937420-5060-7@BJC.BGI.B.IA
CSeq: 71 REFER
Contact: <sip:380@192.168.1.80:5060>
Max-Forwards: 70
User-Agent: Grandstream GXP2170 1.0.11.64
Refer-To: <sip:382@192.168.1.82:5060?Replaces=6f2d91ab%40192.168.1.82%3Bto-tag%3D77%3Bfrom-tag%3Das51a3>
Referred-By: <sip:380@192.168.1.80:5060>
Content-Length: 0
`,
  ),
  sample(
    'grandstream-busy',
    'INVITE',
    486,
    `via[0].sent-by 203.0.113.9:5080
     via[0].rport 5080
     via[0].received 203.0.113.9:0
     from[0].uri 203.0.113.9:0
     to[0].uri 192.168.1.80:0
     warning[0].warn-agent 192.168.1.80:0`,
    [],
    `
SIP/2.0 486 Busy Here
Via: SIP/2.0/UDP 203.0.113.9:5080;rport=5080;branch=z9hG4bK0gs1;received=203.0.113.9
From: <sip:2001@203.0.113.9>;tag=Ze2cU
To: <sip:380@192.168.1.80>;tag=1750212207
Call-ID: 2c9e-gs
CSeq: 44 INVITE
Supported: replaces, path, timer
User-Agent: Grandstream GXP2170 1.0.11.64
Warning: 399 192.168.1.80 "detected busy"
Allow: INVITE, ACK, OPTIONS, CANCEL, BYE, SUBSCRIBE, NOTIFY, INFO, REFER, UPDATE
Content-Length: 0
`,
  ),
]
