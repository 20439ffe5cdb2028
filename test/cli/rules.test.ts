import t from 'tap'
import { deafForwardChains, offloadingRules, rulesetBlocks, sipHelperRules } from '../../lib/cli/check-rules.js'
import { deafInputChains } from '../../lib/cli/check-tcp.js'
import { tableText } from '../../lib/cli/nft-text.js'
import type { Expression } from '../../types/nftables.js'

// nft list ruleset (1.0.6), after:
// nft -f - <<'EOF' of a table with a ct helper object, and iptables-nft -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
const listed = (forward: string): string => `table inet filter {
	ct helper sip-5060 {
		type "sip" protocol udp
		l3proto inet
	}

	ct helper ftp-21 {
		type "ftp" protocol tcp
		l3proto inet
	}

	chain prerouting {
		type filter hook prerouting priority filter; policy accept;
		udp dport 5060 ct helper set "sip-5060"
		tcp dport 21 ct helper set "ftp-21"
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		${forward}
	}

	chain related {
		accept
	}
}
table inet cthelper {
	chain forward {
		type filter hook forward priority 150; policy accept;
	}
}
`

t.test('rules that attach a SIP helper', async (t) => {
  t.same(sipHelperRules(rulesetBlocks(listed(''))), ['inet filter prerouting: udp dport 5060 ct helper set "sip-5060"'])
  t.same(sipHelperRules([]), [])
})

/** Rules of a forward chain that drops by policy, and whether related flows get through. */
const filters: readonly (readonly [rule: string, isDeaf: boolean])[] = [
  ['', true],
  ['ct state established accept', true],
  ['ct state related drop', true],
  ['iifname "lan0" accept', true],
  ['ct state established,related accept', false],
  ['ct state related,established counter packets 0 bytes 0 accept', false],
  ['ct state { established, related } accept', false],
  ['ct state vmap { invalid : drop, established : accept, related : accept }', false],
  ['ct state established,related jump related', false],
]

for (const [rule, isDeaf] of filters) {
  t.test(`forward: ${rule || 'no rule'}`, async (t) => {
    t.same(deafForwardChains(rulesetBlocks(listed(rule))), isDeaf ? ['inet filter forward'] : [])
  })
}

t.test('rules that take SIP past all chains', async (t) => {
  const add = 'ip protocol { tcp, udp } flow add @f'
  const found = (...rules: string[]) => offloadingRules(rulesetBlocks(listed(rules.join('\n\t\t'))), [5060, 5080])
  t.same(found(add), [`inet filter forward: ${add}`])
  t.same(found(`th sport != { 5060, 5080 } th dport != { 5060, 5080 } ${add}`), [])
  t.same(found(`th dport != 5060 ${add}`), [`inet filter forward: th dport != 5060 ${add}`], 'one port of two')
  t.same(found('ct state established accept'), [])
})

t.test('input chains that would drop what is proxied', async (t) => {
  const deaf = (...rules: string[]) =>
    deafInputChains(rulesetBlocks(listed(rules.join('\n\t\t')).replace('hook forward', 'hook input')))
  const known = 'ct state established,related accept'
  for (const own of ['iifname "lo" accept', 'iif "lo" accept', 'iif "lo" counter packets 7 bytes 420 accept'])
    t.same(deaf(known, own), [], own)
  t.same(deaf('ct state vmap { established : accept, related : accept }', 'iif "lo" accept'), [])
  const closed = [[], [known], ['iifname "lo" accept'], [known, 'iifname "lo" tcp dport 22 accept']]
  for (const rules of closed) t.same(deaf(...rules), ['inet filter forward'], rules.join('; '))
})

t.test('no forward chain that drops', async (t) => {
  const open = listed('').replace('policy drop', 'policy accept')
  t.same(deafForwardChains(rulesetBlocks(open)), [])
  t.same(deafForwardChains(rulesetBlocks('')), [])
})

t.test('helpers', async (t) => {
  const helpers = [{ name: 'h', type: 'cthelper', protocol: 'udp' }] as const
  const rules = [{ expressions: [{ kind: 'set-helper', helper: 'h' }] }] as const
  const text = tableText({ family: 'inet', name: 'x', helpers, chains: [{ name: 'c', rules }] })
  const lines = ['table inet x {', '\tct helper h {', '\t\ttype "cthelper" protocol udp', '\t}', '']
  t.equal(text, [...lines, '\tchain c {', '\t\tct helper set "h"', '\t}', '}', ''].join('\n'))
})

/** As `nft list` prints them. */
const expressions: readonly (readonly [Expression, string])[] = [
  [{ kind: 'iifname', in: ['lan0'] }, 'iifname "lan0"'],
  [{ kind: 'oifname', in: ['a', 'b'], negate: true }, 'oifname != { "a", "b" }'],
  [{ kind: 'saddr', in: ['10.0.0.0/8'] }, 'ip saddr 10.0.0.0/8'],
  [{ kind: 'daddr', in: ['2001:db8::1'] }, 'ip6 daddr 2001:db8::1'],
  [{ kind: 'dport', in: [5060, 5080], protocol: 'udp' }, 'udp dport { 5060, 5080 }'],
  [{ kind: 'sport-range', first: 1, last: 9, protocol: 'tcp' }, 'tcp sport 1-9'],
  [{ kind: 'mark', is: 1, mask: 255 }, 'meta mark & 0x000000ff == 0x00000001'],
  [{ kind: 'set-mark', to: 1 }, 'meta mark set 0x00000001'],
  [{ kind: 'ct-status', any: ['confirmed'], negate: true }, 'ct status ! confirmed'],
  [{ kind: 'queue', number: 5, total: 4, bypass: true, fanout: true }, 'queue num 5-8 bypass,fanout'],
  [{ kind: 'snat', to: { address: '192.0.2.1', port: 0 } }, 'snat ip to 192.0.2.1'],
  [{ kind: 'dnat', to: { address: '2001:db8::1', port: 5060 } }, 'dnat ip6 to [2001:db8::1]:5060'],
  [{ kind: 'limit', rate: 5, per: 'second', over: true }, 'limit rate over 5/second'],
  [{ kind: 'l4proto', is: 17 }, 'meta l4proto udp'],
  [{ kind: 'tproxy', port: 5, address: '127.0.0.1' }, 'tproxy ip to 127.0.0.1:5'],
  [{ kind: 'tproxy', port: 5, address: '::1' }, 'tproxy ip6 to [::1]:5'],
  [{ kind: 'route-oifname', in: ['wan0'] }, 'fib daddr . mark oifname "wan0"'],
]

for (const [expression, text] of expressions) {
  t.test(text, async (t) => {
    const table = {
      family: 'inet',
      name: 'x',
      chains: [{ name: 'c', rules: [{ expressions: [expression] }] }],
    } as const
    t.equal(tableText(table), `table inet x {\n\tchain c {\n\t\t${text}\n\t}\n}\n`)
  })
}
