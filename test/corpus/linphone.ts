/**
 * Linphone (its SDK's default settings): ICE with host, server reflexive and IPv6 candidates, a=rtcp beside rtcp-mux, BUNDLE, RTP/AVPF, instance and
 * LIME parameters in the Contact, To without angle brackets.
 */
import { type Sample, sample } from './sample.js'

export const linphone: readonly Sample[] = [
  sample(
    'linphone-invite-ice',
    'INVITE',
    0,
    `request-uri[0].uri sip.example.org:0
     via[0].sent-by 192.168.0.12:5060
     from[0].uri sip.example.org:0
     to[0].uri sip.example.org:0
     contact[0].uri 192.168.0.12:5060`,
    ['audio 7078 192.168.0.12', 'video 9078 192.168.0.12'],
    `
INVITE sip:bob@sip.example.org SIP/2.0
Via: SIP/2.0/UDP 192.168.0.12:5060;branch=z9hG4bK.8aVt~fB0~;rport
From: <sip:alice@sip.example.org>;tag=~Kx2P9wS7
To: sip:bob@sip.example.org
CSeq: 20 INVITE
Call-ID: 2oHs4hXv1C
Max-Forwards: 70
Supported: replaces, outbound, gruu, path
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, PRACK, UPDATE
Contact: <sip:alice@192.168.0.12:5060;transport=udp>;+sip.instance="<urn:uuid:0d6a1b2c-4711-4fce-9d3e-5f3a2b1c0d9e>";+org.linphone.specs="groupchat,lime"
User-Agent: LinphoneAndroid/5.1.2 (Galaxy) LinphoneSDK/5.2.50
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=alice 3411 2207 IN IP4 192.168.0.12
s=Talk
c=IN IP4 192.168.0.12
t=0 0
a=ice-pwd:5d6c4b3a291807f6e5d4c3b2
a=ice-ufrag:7f3a9c21
a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics
a=group:BUNDLE as vs
m=audio 7078 RTP/AVPF 96 0 8 101
a=rtpmap:96 opus/48000/2
a=rtcp:7079
a=mid:as
a=rtcp-mux
a=candidate:1 1 UDP 2130706303 192.168.0.12 7078 typ host
a=candidate:1 2 UDP 2130706302 192.168.0.12 7079 typ host
a=candidate:2 1 UDP 1694498687 203.0.113.40 40022 typ srflx raddr 192.168.0.12 rport 7078
a=candidate:3 1 UDP 2130706431 fe80::5054:ff:fe12:3456 7078 typ host
m=video 9078 RTP/AVPF 97
a=rtpmap:97 VP8/90000
a=mid:vs
a=inactive
a=remote-candidates:1 203.0.113.9 20000 2 203.0.113.9 20001
`,
  ),
  sample(
    'linphone-invite-ok',
    'INVITE',
    200,
    `via[0].sent-by 198.51.100.77:5060
     from[0].uri sip.example.org:0
     to[0].uri sip.example.org:0
     contact[0].uri 192.168.0.12:5060`,
    ['audio 7078 192.168.0.12'],
    `
SIP/2.0 200 Ok
Via: SIP/2.0/UDP 198.51.100.77:5060;rport;branch=z9hG4bK.b2Wq~s0a1
From: <sip:bob@sip.example.org>;tag=uX3~p
To: sip:alice@sip.example.org;tag=K0b~2Lx
Call-ID: 7hTq0zUe2d
CSeq: 20 INVITE
User-Agent: LinphoneAndroid/5.1.2 (Galaxy) LinphoneSDK/5.2.50
Supported: replaces, outbound, gruu, path
Contact: <sip:alice@192.168.0.12:5060;transport=udp>;expires=3600;+sip.instance="<urn:uuid:0d6a1b2c-4711-4fce-9d3e-5f3a2b1c0d9e>"
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=alice 3412 1180 IN IP4 192.168.0.12
s=Talk
c=IN IP4 192.168.0.12
t=0 0
a=rtcp-xr:rcvr-rtt=all:10000
m=audio 7078 RTP/AVP 96
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtcp:7079
`,
  ),
]
