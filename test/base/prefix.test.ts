import t from 'tap'
import { canonicalPrefix, covers, maskOf, parsePrefix } from '../../lib/base/prefix.js'

t.test('texts that are prefixes, their canonical form and mask', async (t) => {
  for (const [text, canonical, mask] of [
    ['192.0.2.7', '192.0.2.7', '255.255.255.255'],
    ['192.0.2.7/32', '192.0.2.7/32', '255.255.255.255'],
    ['203.0.113.0/24', '203.0.113.0/24', '255.255.255.0'],
    ['203.0.112.0/20', '203.0.112.0/20', '255.255.240.0'],
    ['128.0.0.0/1', '128.0.0.0/1', '128.0.0.0'],
    ['0.0.0.0/0', '0.0.0.0/0', '0.0.0.0'],
    ['2001:DB8:0::/33', '2001:db8::/33', 'ffff:ffff:8000::'],
    ['2001:db8::1', '2001:db8::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ] as const) {
    const prefix = parsePrefix(text)
    t.ok(prefix, text)
    t.equal(canonicalPrefix(text), canonical)
    t.equal(prefix && maskOf(prefix), mask)
  }
})

t.test('texts that are none', async (t) => {
  for (const text of [
    '',
    '/',
    '/24',
    '1.2.3',
    '1.2.3.0/33',
    '1.2.3.4/24',
    '1.2.3.0/',
    '1.2.3.0/-1',
    '::/129',
    '::1/64',
    'a/8',
  ])
    t.equal(parsePrefix(text), undefined, text)
})

t.test('covers', async (t) => {
  const is = (a: string, b: string) => covers(parsePrefix(a)!, parsePrefix(b)!)
  t.ok(is('203.0.113.0/24', '203.0.113.9'))
  t.ok(is('203.0.113.0/24', '203.0.113.0/24'))
  t.ok(is('203.0.112.0/20', '203.0.113.0/24'))
  t.ok(is('0.0.0.0/0', '8.8.8.8'))
  t.ok(is('192.0.2.7', '192.0.2.7'))
  t.notOk(is('203.0.113.0/24', '203.0.114.9'))
  t.notOk(is('203.0.113.0/24', '203.0.112.0/20'), 'the wider one is not covered')
  t.notOk(is('::/0', '192.0.2.7'), 'another family')
  t.notOk(is('192.0.2.7', '192.0.2.6'))
})
