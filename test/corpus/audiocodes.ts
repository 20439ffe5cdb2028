/**
 * AudioCodes Mediant: refusals with Warnings (RFC 3261 20.43) that name its address, Call-Info with two kinds of URI.
 */
import { type Sample, sample } from './sample.js'

export const audiocodes: readonly Sample[] = [
  sample(
    'audiocodes-refused',
    'INVITE',
    488,
    `via[0].sent-by 10.1.1.1:5060
     from[0].uri 10.1.1.1:0
     to[0].uri 10.1.1.9:0
     warning[0].warn-agent 10.1.1.9:0
     warning[1].warn-agent gw.example.com:5060
     call-info[1].uri 10.1.1.9:0`,
    [],
    `
SIP/2.0 488 Not Acceptable Here
Via: SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bKac1
From: <sip:1@10.1.1.1>;tag=1c20
To: <sip:9@10.1.1.9>;tag=1c99
Call-ID: 20314@10.1.1.1
CSeq: 1 INVITE
Warning: 304 10.1.1.9 "Media type, \\"fax\\", not available", 399 gw.example.com:5060 "see 10.1.1.1"
Call-Info: <http://10.1.1.9/logo.png>;purpose=icon, <sip:info@10.1.1.9>
Retry-After: 30 (busy)
Content-Length: 0
`,
  ),
  sample(
    'audiocodes-options',
    'OPTIONS',
    0,
    `request-uri[0].uri 198.51.100.20:0
     via[0].sent-by 10.1.1.9:5060
     from[0].uri 10.1.1.9:0
     to[0].uri 198.51.100.20:0
     contact[0].uri 10.1.1.9:5060`,
    [],
    `
OPTIONS sip:198.51.100.20 SIP/2.0
Via: SIP/2.0/UDP 10.1.1.9:5060;alias;branch=z9hG4bKac1902771520
Max-Forwards: 70
From: <sip:10.1.1.9>;tag=1c1902770011
To: <sip:198.51.100.20>
Call-ID: 1902769034211202512@10.1.1.9
CSeq: 1 OPTIONS
Contact: <sip:10.1.1.9:5060>
Supported: em,100rel,timer,replaces,path,resource-priority,sdp-anat
User-Agent: M800C/v.7.40A.250.256
Accept: application/sdp, application/simple-message-summary, message/sipfrag
Content-Length: 0
`,
  ),
]
