/**
 * How each sample crosses a gateway at 192.0.2.10:41022 (2001:db8:cafe::1 for IPv6) with outside media ports from 30000 on: its name, the
 * way, the inside end, and the places that change. A place that stands twice is told by the line before it.
 */
import type { Endpoint } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import type { Change } from './change.js'

const at = (address: string, port = 5060): Endpoint => ({ address, port })

export const crossings: readonly (readonly [string, Way, Endpoint, readonly Change[]])[] = [
  [
    'asterisk-invite',
    'out',
    at('10.0.0.5'),
    [
      ['Via: SIP/2.0/UDP 10.0.0.5:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['From: "Front Desk" <sip:101@10.0.0.5', 'From: "Front Desk" <sip:101@192.0.2.10'],
      ['Contact: <sip:101@10.0.0.5:5060', 'Contact: <sip:101@192.0.2.10:41022'],
      ['Content-Length: 267', 'Content-Length: 271'],
      ['o=root 1821403928 1821403928 IN IP4 10.0.0.5', 'o=root 1821403928 1821403928 IN IP4 192.0.2.10'],
      ['c=IN IP4 10.0.0.5', 'c=IN IP4 192.0.2.10'],
      ['m=audio 14982 RTP/AVP 0 8 101', 'm=audio 30000 RTP/AVP 0 8 101'],
    ],
  ],
  [
    'asterisk-ringing-behind-proxy',
    'out',
    at('192.168.7.10'),
    [
      ['To: <sip:102@192.168.7.10', 'To: <sip:102@192.0.2.10'],
      ['Contact: <sip:102@192.168.7.10:5060', 'Contact: <sip:102@192.0.2.10:41022'],
    ],
  ],
  [
    'asterisk-pjsip-invite',
    'out',
    at('192.168.7.10'),
    [
      ['Via: SIP/2.0/UDP 192.168.7.10:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['From: "Desk" <sip:102@192.168.7.10', 'From: "Desk" <sip:102@192.0.2.10'],
      ['Contact: <sip:asterisk@192.168.7.10:5060', 'Contact: <sip:asterisk@192.0.2.10:41022'],
      ['P-Asserted-Identity: "Desk" <sip:102@192.168.7.10', 'P-Asserted-Identity: "Desk" <sip:102@192.0.2.10'],
      ['Content-Length:   222', 'Content-Length:   218'],
      ['o=- 1178351044 1178351044 IN IP4 192.168.7.10', 'o=- 1178351044 1178351044 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.7.10', 'c=IN IP4 192.0.2.10'],
      ['m=audio 15732 RTP/AVP 8 0 101', 'm=audio 30000 RTP/AVP 8 0 101'],
    ],
  ],
  [
    'polycom-register',
    'out',
    at('192.168.1.31'),
    [
      ['Via: SIP/2.0/UDP 192.168.1.31', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['Contact: <sip:2012@192.168.1.31', 'Contact: <sip:2012@192.0.2.10:41022'],
    ],
  ],
  [
    'polycom-video-ok',
    'out',
    at('192.168.1.31'),
    [
      ['Contact: <sip:2012@192.168.1.31', 'Contact: <sip:2012@192.0.2.10:41022'],
      ['Content-Length: 261', 'Content-Length: 259'],
      ['o=- 1716700102 1716700102 IN IP4 192.168.1.31', 'o=- 1716700102 1716700102 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.1.31', 'c=IN IP4 192.0.2.10'],
      ['m=audio 2222 RTP/AVP 9 101', 'm=audio 30000 RTP/AVP 9 101'],
      ['m=video 2224 RTP/AVP 109', 'm=video 30002 RTP/AVP 109'],
    ],
  ],
  [
    'kamailio-relayed-invite',
    'in',
    at('192.168.7.10'),
    [['INVITE sip:2012@192.0.2.10:41022', 'INVITE sip:2012@192.168.7.10:5060']],
  ],
  [
    'cisco-invite-ok',
    'out',
    at('10.10.1.60'),
    [
      ['To: <sip:4060@10.10.1.60', 'To: <sip:4060@192.0.2.10'],
      [
        'Remote-Party-ID: "Meeting Room, 2nd <floor>" <sip:4060@10.10.1.60>;party=called;id-type=subscriber;privacy=off;screen=yes',
        'Remote-Party-ID: "Meeting Room, 2nd <floor>" <sip:4060@192.0.2.10>;party=called;id-type=subscriber;privacy=off;screen=yes',
      ],
      ['Contact: <sip:4060@10.10.1.60:5060', 'Contact: <sip:4060@192.0.2.10:41022'],
      ['o=Cisco-SIPUA 22041 0 IN IP4 10.10.1.60', 'o=Cisco-SIPUA 22041 0 IN IP4 192.0.2.10'],
      ['m=audio 24690 RTP/AVP 0 101\r\nc=IN IP4 10.10.1.60', 'm=audio 30000 RTP/AVP 0 101\r\nc=IN IP4 192.0.2.10'],
      ['m=video 0 RTP/AVP 97\r\nc=IN IP4 10.10.1.60', 'm=video 0 RTP/AVP 97\r\nc=IN IP4 192.0.2.10'],
    ],
  ],
  [
    'cisco-spa-register',
    'out',
    at('192.168.7.10'),
    [
      ['Via: SIP/2.0/UDP 192.168.7.10:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['Contact: "Line 1" <sip:501@192.168.7.10:5060', 'Contact: "Line 1" <sip:501@192.0.2.10:41022'],
    ],
  ],
  // It sends from 50312 and listens at 5060, which gets an outside port of its own.
  [
    'cisco-7960-invite',
    'out',
    at('192.168.7.10', 50312),
    [
      ['Via: SIP/2.0/UDP 192.168.7.10:5060', 'Via: SIP/2.0/UDP 192.0.2.10:30000'],
      ['Contact: <sip:4001@192.168.7.10:5060', 'Contact: <sip:4001@192.0.2.10:30000'],
      ['Content-Length: 210', 'Content-Length: 206'],
      ['o=Cisco-SIPUA 18311 0 IN IP4 192.168.7.10', 'o=Cisco-SIPUA 18311 0 IN IP4 192.0.2.10'],
      ['m=audio 23860 RTP/AVP 0 8 18 101', 'm=audio 30002 RTP/AVP 0 8 18 101'],
      ['c=IN IP4 192.168.7.10', 'c=IN IP4 192.0.2.10'],
    ],
  ],
  [
    'cisco-7960-invite',
    'out',
    at('192.168.7.10'),
    [
      ['Via: SIP/2.0/UDP 192.168.7.10:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['Contact: <sip:4001@192.168.7.10:5060', 'Contact: <sip:4001@192.0.2.10:41022'],
      ['Content-Length: 210', 'Content-Length: 206'],
      ['o=Cisco-SIPUA 18311 0 IN IP4 192.168.7.10', 'o=Cisco-SIPUA 18311 0 IN IP4 192.0.2.10'],
      ['m=audio 23860 RTP/AVP 0 8 18 101', 'm=audio 30000 RTP/AVP 0 8 18 101'],
      ['c=IN IP4 192.168.7.10', 'c=IN IP4 192.0.2.10'],
    ],
  ],
  [
    'yealink-subscribe',
    'out',
    at('192.168.88.14'),
    [
      ['v: SIP/2.0/UDP 192.168.88.14:5060', 'v: SIP/2.0/UDP 192.0.2.10:41022'],
      ['m: <sip:330@192.168.88.14:5060', 'm: <sip:330@192.0.2.10:41022'],
    ],
  ],
  ['yealink-ringing', 'out', at('192.168.88.14'), [['m: <sip:330@192.168.88.14:5060', 'm: <sip:330@192.0.2.10:41022']]],
  [
    'freeswitch-reinvite-hold',
    'in',
    at('192.168.1.31', 5062),
    [['INVITE sip:2012@192.0.2.10:41022', 'INVITE sip:2012@192.168.1.31:5062']],
  ],
  [
    'freeswitch-progress',
    'in',
    at('192.168.7.10'),
    [
      [
        'Via: SIP/2.0/UDP 192.0.2.10:41022;rport=41022;branch=z9hG4bK77.1;received=192.0.2.10',
        'Via: SIP/2.0/UDP 192.168.7.10:5060;rport=5060;branch=z9hG4bK77.1;received=192.168.7.10',
      ],
    ],
  ],
  [
    'linphone-invite-ice',
    'out',
    at('192.168.0.12'),
    [
      ['Via: SIP/2.0/UDP 192.168.0.12:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['Contact: <sip:alice@192.168.0.12:5060', 'Contact: <sip:alice@192.0.2.10:41022'],
      ['Content-Length: 742', 'Content-Length: 738'],
      ['o=alice 3411 2207 IN IP4 192.168.0.12', 'o=alice 3411 2207 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.0.12', 'c=IN IP4 192.0.2.10'],
      ['m=audio 7078 RTP/AVPF 96 0 8 101', 'm=audio 30000 RTP/AVPF 96 0 8 101'],
      ['a=rtcp:7079', 'a=rtcp:30001'],
      [
        'a=candidate:1 1 UDP 2130706303 192.168.0.12 7078 typ host',
        'a=candidate:1 1 UDP 2130706303 192.0.2.10 30000 typ host',
      ],
      [
        'a=candidate:1 2 UDP 2130706302 192.168.0.12 7079 typ host',
        'a=candidate:1 2 UDP 2130706302 192.0.2.10 30001 typ host',
      ],
      [
        'a=candidate:2 1 UDP 1694498687 203.0.113.40 40022 typ srflx raddr 192.168.0.12 rport 7078',
        'a=candidate:2 1 UDP 1694498687 203.0.113.40 40022 typ srflx raddr 192.0.2.10 rport 30000',
      ],
      ['m=video 9078 RTP/AVPF 97', 'm=video 30002 RTP/AVPF 97'],
    ],
  ],
  [
    'linphone-invite-ok',
    'out',
    at('192.168.0.12'),
    [
      ['Contact: <sip:alice@192.168.0.12:5060', 'Contact: <sip:alice@192.0.2.10:41022'],
      ['Content-Length: 202', 'Content-Length: 200'],
      ['o=alice 3412 1180 IN IP4 192.168.0.12', 'o=alice 3412 1180 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.0.12', 'c=IN IP4 192.0.2.10'],
      ['m=audio 7078 RTP/AVP 96', 'm=audio 30000 RTP/AVP 96'],
      ['a=rtcp:7079', 'a=rtcp:30001'],
    ],
  ],
  [
    'baresip-invite',
    'out',
    at('192.168.7.10'),
    [
      ['Via: SIP/2.0/UDP 192.168.7.10:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['Contact: <sip:alice-0x7f31a0c0@192.168.7.10:5060', 'Contact: <sip:alice-0x7f31a0c0@192.0.2.10:41022'],
      ['From: "Alice" <sip:alice@192.168.7.10', 'From: "Alice" <sip:alice@192.0.2.10'],
      ['Content-Length: 266', 'Content-Length: 262'],
      ['o=- 3926472031 1204 IN IP4 192.168.7.10', 'o=- 3926472031 1204 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.7.10', 'c=IN IP4 192.0.2.10'],
      ['m=audio 10024 RTP/AVP 96 0', 'm=audio 30000 RTP/AVP 96 0'],
      ['a=rtcp:10025', 'a=rtcp:30001'],
    ],
  ],
  [
    'grandstream-refer-replaces',
    'out',
    at('192.168.1.80'),
    [
      ['Via: SIP/2.0/UDP 192.168.1.80:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['Contact: <sip:380@192.168.1.80:5060', 'Contact: <sip:380@192.0.2.10:41022'],
      ['Referred-By: <sip:380@192.168.1.80:5060', 'Referred-By: <sip:380@192.0.2.10:41022'],
    ],
  ],
  [
    'grandstream-busy',
    'out',
    at('192.168.1.80'),
    [
      ['To: <sip:380@192.168.1.80', 'To: <sip:380@192.0.2.10'],
      ['Warning: 399 192.168.1.80 "detected busy"', 'Warning: 399 192.0.2.10:41022 "detected busy"'],
    ],
  ],
  [
    'snom-contact-star',
    'out',
    at('192.168.10.90', 2051),
    [['Via: SIP/2.0/UDP 192.168.10.90:2051', 'Via: SIP/2.0/UDP 192.0.2.10:41022']],
  ],
  [
    'snom-invite-ok',
    'out',
    at('192.168.10.90', 2051),
    [
      ['Contact: <sip:90@192.168.10.90:2051', 'Contact: <sip:90@192.0.2.10:41022'],
      ['Content-Length: 192', 'Content-Length: 186'],
      ['o=root 1801247311 1801247312 IN IP4 192.168.10.90', 'o=root 1801247311 1801247312 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.10.90', 'c=IN IP4 192.0.2.10'],
      ['m=audio 58122 RTP/AVP 9 0 8 101', 'm=audio 30000 RTP/AVP 9 0 8 101'],
    ],
  ],
  [
    'mitel-t38-reinvite',
    'out',
    at('10.20.0.9'),
    [
      ['Via: SIP/2.0/UDP 10.20.0.9:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['From: "Fax" <sip:900@10.20.0.9', 'From: "Fax" <sip:900@192.0.2.10'],
      ['Contact: <sip:900@10.20.0.9:5060', 'Contact: <sip:900@192.0.2.10:41022'],
      ['Content-Length: 173', 'Content-Length: 175'],
      ['o=MxSIP 0 2 IN IP4 10.20.0.9', 'o=MxSIP 0 2 IN IP4 192.0.2.10'],
      ['c=IN IP4 10.20.0.9', 'c=IN IP4 192.0.2.10'],
      ['m=image 50004 udptl t38', 'm=image 30000 udptl t38'],
    ],
  ],
  [
    'mitel-t38-ok',
    'in',
    at('10.20.0.9'),
    [
      ['Via: SIP/2.0/UDP 192.0.2.10:41022', 'Via: SIP/2.0/UDP 10.20.0.9:5060'],
      ['From: "Fax" <sip:900@192.0.2.10', 'From: "Fax" <sip:900@10.20.0.9'],
    ],
  ],
  [
    'audiocodes-options',
    'out',
    at('10.1.1.9'),
    [
      ['Via: SIP/2.0/UDP 10.1.1.9:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['From: <sip:10.1.1.9', 'From: <sip:192.0.2.10'],
      ['Contact: <sip:10.1.1.9:5060', 'Contact: <sip:192.0.2.10:41022'],
    ],
  ],
  [
    'audiocodes-refused',
    'out',
    at('10.1.1.9'),
    [
      ['To: <sip:9@10.1.1.9', 'To: <sip:9@192.0.2.10'],
      [
        'Warning: 304 10.1.1.9 "Media type, \\"fax\\", not available", 399 gw.example.com:5060 "see 10.1.1.1"',
        'Warning: 304 192.0.2.10:41022 "Media type, \\"fax\\", not available", 399 gw.example.com:5060 "see 10.1.1.1"',
      ],
      [
        'Call-Info: <http://10.1.1.9/logo.png>;purpose=icon, <sip:info@10.1.1.9>',
        'Call-Info: <http://10.1.1.9/logo.png>;purpose=icon, <sip:info@192.0.2.10:41022>',
      ],
    ],
  ],
  [
    '3cx-register',
    'out',
    at('192.168.7.10'),
    [
      ['Via: SIP/2.0/UDP 192.168.7.10:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['Contact: <sip:77001@192.168.7.10:5060', 'Contact: <sip:77001@192.0.2.10:41022'],
    ],
  ],
  [
    '3cx-invite-ok',
    'out',
    at('192.168.7.10'),
    [
      ['Contact: <sip:77001@192.168.7.10:5060', 'Contact: <sip:77001@192.0.2.10:41022'],
      ['To: <sip:77001@192.168.7.10:5060', 'To: <sip:77001@192.0.2.10:41022'],
      ['Content-Length: 207', 'Content-Length: 204'],
      ['o=3cxPS 302811217920 271841558529 IN IP4 192.168.7.10', 'o=3cxPS 302811217920 271841558529 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.7.10', 'c=IN IP4 192.0.2.10'],
      ['m=audio 9022 RTP/AVP 0 101', 'm=audio 30000 RTP/AVP 0 101'],
    ],
  ],
  // Host names everywhere: nothing to map.
  ['teams-invite', 'in', at('192.168.7.10'), []],
  [
    'teams-sbc-answer',
    'out',
    at('192.168.7.10'),
    [
      ['CONTENT-LENGTH: 246', 'CONTENT-LENGTH: 242'],
      ['o=- 1700218814 1700218815 IN IP4 192.168.7.10', 'o=- 1700218814 1700218815 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.7.10', 'c=IN IP4 192.0.2.10'],
      ['m=audio 6010 RTP/SAVP 8 101', 'm=audio 30000 RTP/SAVP 8 101'],
      ['a=rtcp:6011 IN IP4 192.168.7.10', 'a=rtcp:30001 IN IP4 192.0.2.10'],
    ],
  ],
  [
    'twilio-invite',
    'in',
    at('192.168.7.10'),
    [
      ['INVITE sip:+12125550147@192.0.2.10:41022 SIP/2.0', 'INVITE sip:+12125550147@192.168.7.10:5060 SIP/2.0'],
      ['To: <sip:+12125550147@192.0.2.10:41022', 'To: <sip:+12125550147@192.168.7.10:5060'],
    ],
  ],
  [
    'twilio-trunk-answer',
    'out',
    at('192.168.7.10'),
    [
      ['To: <sip:+12125550147@192.168.7.10:5060', 'To: <sip:+12125550147@192.0.2.10:41022'],
      ['Contact: <sip:192.168.7.10:5060', 'Contact: <sip:192.0.2.10:41022'],
      ['Content-Length: 112', 'Content-Length: 108'],
      ['o=pbx 1 1 IN IP4 192.168.7.10', 'o=pbx 1 1 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.7.10', 'c=IN IP4 192.0.2.10'],
      ['m=audio 12000 RTP/AVP 0 101', 'm=audio 30000 RTP/AVP 0 101'],
    ],
  ],
  [
    'jssip-invite-through-proxy',
    'in',
    at('192.168.7.10'),
    [['INVITE sip:2012@192.0.2.10:41022 SIP/2.0', 'INVITE sip:2012@192.168.7.10:5060 SIP/2.0']],
  ],
  [
    'jssip-answer-by-phone',
    'out',
    at('192.168.7.10'),
    [
      ['Contact: <sip:2012@192.168.7.10:5060', 'Contact: <sip:2012@192.0.2.10:41022'],
      ['Content-Length: 400', 'Content-Length: 396'],
      ['o=- 77 1 IN IP4 192.168.7.10', 'o=- 77 1 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.7.10', 'c=IN IP4 192.0.2.10'],
      ['m=audio 6020 UDP/TLS/RTP/SAVPF 8', 'm=audio 30000 UDP/TLS/RTP/SAVPF 8'],
      [
        'a=candidate:1 1 UDP 2130706431 192.168.7.10 6020 typ host',
        'a=candidate:1 1 UDP 2130706431 192.0.2.10 30000 typ host',
      ],
    ],
  ],
  [
    'kamailio-register-ok',
    'in',
    at('192.168.1.31'),
    [
      [
        'Via: SIP/2.0/UDP 192.0.2.10:41022;branch=z9hG4bK9d0f3a6e7BC2F11A;rport=41022;received=192.0.2.10',
        'Via: SIP/2.0/UDP 192.168.1.31:5060;branch=z9hG4bK9d0f3a6e7BC2F11A;rport=5060;received=192.168.1.31',
      ],
      [
        'Contact: <sip:2012@192.0.2.10:41022>;expires=600;received="sip:192.0.2.10:41022", <sip:2012@[2001:DB8:0::31]:5062;transport=tcp>;expires=120',
        'Contact: <sip:2012@192.168.1.31:5060>;expires=600;received="sip:192.168.1.31:5060", <sip:2012@[2001:DB8:0::31]:5062;transport=tcp>;expires=120',
      ],
      [
        'Path: <sip:198.51.100.3;lr;received=sip:192.0.2.10:41022>',
        'Path: <sip:198.51.100.3;lr;received=sip:192.168.1.31:5060>',
      ],
    ],
  ],
  [
    'multipart-invite',
    'out',
    at('172.16.4.2'),
    [
      ['Via: SIP/2.0/UDP 172.16.4.2:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['From: <sip:5@172.16.4.2', 'From: <sip:5@192.0.2.10'],
      ['Contact: <sip:5@172.16.4.2:5060', 'Contact: <sip:5@192.0.2.10:41022'],
      ['Content-Length: 311', 'Content-Length: 312'],
      ['Content-Length: 87', 'Content-Length: 88'],
      ['o=- 1 1 IN IP4 172.16.4.2', 'o=- 1 1 IN IP4 192.0.2.10'],
      ['s=-\r\nc=IN IP4 172.16.4.2', 's=-\r\nc=IN IP4 192.0.2.10'],
      ['m=audio 6000 RTP/AVP 0', 'm=audio 30000 RTP/AVP 0'],
    ],
  ],
  [
    'msrp-and-bfcp-offer',
    'out',
    at('192.168.5.5'),
    [
      ['Via: SIP/2.0/UDP 192.168.5.5:5060', 'Via: SIP/2.0/UDP 192.0.2.10:41022'],
      ['Contact: <sip:carol@192.168.5.5:5060', 'Contact: <sip:carol@192.0.2.10:41022'],
      ['Content-Length: 316', 'Content-Length: 315'],
      ['o=carol 2890844526 2890844526 IN IP4 192.168.5.5', 'o=carol 2890844526 2890844526 IN IP4 192.0.2.10'],
      ['c=IN IP4 192.168.5.5', 'c=IN IP4 192.0.2.10'],
      ['m=message 7394 TCP/MSRP *', 'm=message 30000 TCP/MSRP *'],
      ['a=path:msrp://192.168.5.5:7394/2s93i9ek2a', 'a=path:msrp://192.0.2.10:30000/2s93i9ek2a'],
    ],
  ],
  [
    'folded-and-spaced',
    'out',
    at('192.168.7.7'),
    [
      ['\t192.168.7.7 : 5060', '\t192.0.2.10 : 41022'],
      ['From: caller <sip:100@192.168.7.7', 'From: caller <sip:100@192.0.2.10'],
      ['Reply-To: sip:100@192.168.7.7:5060', 'Reply-To: sip:100@192.0.2.10:41022'],
    ],
  ],
  [
    'baresip-ipv6-ringing',
    'out',
    at('2001:db8:2::9'),
    [
      ['To: <sip:bob@[2001:db8:2::9]', 'To: <sip:bob@[2001:db8:cafe::1]'],
      ['Contact: <sip:bob-0x55d0c2a1@[2001:db8:2::9]:5060', 'Contact: <sip:bob-0x55d0c2a1@[2001:db8:cafe::1]:41022'],
      ['Content-Length: 188', 'Content-Length: 197'],
      ['o=- 2890844526 2890842807 IN IP6 2001:db8:2::9', 'o=- 2890844526 2890842807 IN IP6 2001:db8:cafe::1'],
      ['c=IN IP6 2001:db8:2::9', 'c=IN IP6 2001:db8:cafe::1'],
      ['m=audio 20010 RTP/AVP 96', 'm=audio 30000 RTP/AVP 96'],
      ['a=rtcp:20011 IN IP6 2001:db8:2::9', 'a=rtcp:30001 IN IP6 2001:db8:cafe::1'],
    ],
  ],
]
