/**
 * Messages in the manner of real products, written for these tests: header order, compact forms, spacing and habits are theirs,
 * names and addresses are not. `fields` lists every address-bearing place in order, as `header[index].part host:port`.
 */
export interface Sample {
  readonly name: string
  /** Bytes, line ends included. */
  readonly bytes: Uint8Array
  readonly method: string
  readonly statusCode: number
  readonly fields: readonly string[]
  /** m= sections of the session descriptions, as `type port address`. */
  readonly media: readonly string[]
}

/** Joins lines with CRLF; `{length}` in the head becomes the body's length. */
export function compose(head: string, body = ''): Uint8Array {
  const content = crlf(body)
  return Buffer.from(`${crlf(head).replace('{length}', String(content.length))}\r\n${content}`, 'latin1')
}

function crlf(text: string): string {
  const lines = text.trim() === '' ? [] : text.replace(/^\n/, '').replace(/\n *$/, '').split('\n')
  return lines.map((line) => `${line}\r\n`).join('')
}

function sample(
  name: string,
  method: string,
  statusCode: number,
  fields: string,
  media: readonly string[],
  head: string,
  body = '',
): Sample {
  const places = fields.trim() === '' ? [] : fields.trim().split(/\s*\n\s*/)
  return { name, bytes: compose(head, body), method, statusCode, fields: places, media }
}

export const samples: readonly Sample[] = [
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
    'kamailio-register-ok',
    'REGISTER',
    200,
    `via[0].sent-by 192.168.1.31:0
     via[0].rport 41022
     via[0].received 203.0.113.7:0
     from[0].uri voip.example.net:0
     to[0].uri voip.example.net:0
     contact[0].uri 192.168.1.31:0
     contact[0].received 203.0.113.7:41022
     contact[1].uri 2001:db8::31:5062
     path[0].uri 198.51.100.3:0
     path[0].received 203.0.113.7:41022`,
    [],
    `
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.168.1.31;branch=z9hG4bK9d0f3a6e7BC2F11A;rport=41022;received=203.0.113.7
From: "Room 12" <sip:2012@voip.example.net>;tag=71AC0E4D-8F0B2B11
To: <sip:2012@voip.example.net>;tag=b27e1a1d33761e85846fc98f5f3a7e58.8d40
CSeq: 18 REGISTER
Call-ID: 0c4e52b6-7f1d9a3b-5d2e8a90@192.168.1.31
Contact: <sip:2012@192.168.1.31>;expires=600;received="sip:203.0.113.7:41022", <sip:2012@[2001:DB8:0::31]:5062;transport=tcp>;expires=120
Path: <sip:198.51.100.3;lr;received=sip:203.0.113.7:41022>
Server: kamailio (5.7.2 (x86_64/linux))
Content-Length: 0
`,
  ),
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
    'yealink-subscribe',
    'SUBSCRIBE',
    0,
    `request-uri[0].uri pbx.example.org:5060
     via[0].sent-by 192.168.88.14:5060
     from[0].uri pbx.example.org:5060
     to[0].uri pbx.example.org:5060
     contact[0].uri 192.168.88.14:5060`,
    [],
    `
SUBSCRIBE sip:330@pbx.example.org:5060 SIP/2.0
v: SIP/2.0/UDP 192.168.88.14:5060;branch=z9hG4bK1793262119;rport
f: "330" <sip:330@pbx.example.org:5060>;tag=1602498710
t: <sip:330@pbx.example.org:5060>
i: 0_2466109381@192.168.88.14
CSeq: 1 SUBSCRIBE
m: <sip:330@192.168.88.14:5060>
Accept: application/simple-message-summary
Max-Forwards: 70
User-Agent: Yealink SIP-T46S 66.86.0.15
Expires: 3600
o: message-summary
l: 0
`,
  ),
  sample(
    'freeswitch-reinvite-hold',
    'INVITE',
    0,
    `request-uri[0].uri 192.168.1.31:5062
     via[0].sent-by 203.0.113.9:5080
     route[0].uri 198.51.100.3:0
     from[0].uri 203.0.113.9:0
     to[0].uri voip.example.net:0
     contact[0].uri 203.0.113.9:5080
     p-asserted-identity[0].uri 203.0.113.9:0`,
    ['audio 22814 0.0.0.0'],
    `
INVITE sip:2012@192.168.1.31:5062;fs_path=sip%3A198.51.100.3%3Blr SIP/2.0
Via: SIP/2.0/UDP 203.0.113.9:5080;rport;branch=z9hG4bKQ2g0BgXvF0S5r
Route: <sip:198.51.100.3;lr>
Max-Forwards: 69
From: "Alice \\"Al\\" <ops@desk>, 2nd" <sip:2001@203.0.113.9>;tag=Ze2cU5BvQ3jQa
To: <sip:2012@voip.example.net>;tag=71AC0E4D
Call-ID: 5e6b0c8d-9a2f-123e-f7b1-0242ac110002
CSeq: 131846912 INVITE
Contact: <sip:gw+carrier@203.0.113.9:5080;transport=udp;gw=carrier>
User-Agent: FreeSWITCH-mod_sofia/1.10.9-release
Session-Expires: 1800;refresher=uac
P-Asserted-Identity: "Alice" <sip:2001@203.0.113.9>, <tel:+12125550101>
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=FreeSWITCH 1716712043 1716712045 IN IP4 203.0.113.9
s=FreeSWITCH
c=IN IP4 0.0.0.0
t=0 0
m=audio 22814 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=silenceSupp:off - - - -
a=ptime:20
a=sendonly
a=rtcp:22815 IN IP4 203.0.113.9
`,
  ),
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
    'baresip-ipv6-ringing',
    'INVITE',
    183,
    `via[0].sent-by 2001:db8:1::5:5060
     via[0].received 2001:db8:1::5:0
     to[0].uri 2001:db8:2::9:0
     from[0].uri 2001:db8:1::5:0
     contact[0].uri 2001:db8:2::9:5060`,
    ['audio 20010 2001:db8:2::9'],
    `
SIP/2.0 183 Session Progress
Via: SIP/2.0/UDP [2001:db8:1::5]:5060;branch=z9hG4bK1f2e3d4c;rport;received=2001:db8:1::5
To: <sip:bob@[2001:db8:2::9]>;tag=6e1f9d2a7b3c4d5e
From: <sip:alice@[2001:db8:1::5]>;tag=93d1c0e2b4a5f687
Call-ID: 7c2b1a09f8e7d6c5
CSeq: 4711 INVITE
Server: baresip v3.5.0 (x86_64/linux)
Contact: <sip:bob-0x55d0c2a1@[2001:db8:2::9]:5060>
RSeq: 1
Require: 100rel
Content-Type: application/sdp
Content-Length: {length}
`,
    `
v=0
o=- 2890844526 2890842807 IN IP6 2001:db8:2::9
s=-
c=IN IP6 2001:db8:2::9
t=0 0
m=audio 20010 RTP/AVP 96
a=rtpmap:96 opus/48000/2
a=rtcp:20011 IN IP6 2001:db8:2::9
a=recvonly
`,
  ),
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
Content-Length: 93

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

/** The message of the benchmarks: an INVITE with a session description, about 800 bytes. */
export const typical: Uint8Array = samples[0]!.bytes
