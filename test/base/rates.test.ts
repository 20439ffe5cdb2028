import t from 'tap'
import { Rates } from '../../lib/base/rates.js'

const taken = (rates: Rates, key: string, now: number, tries: number): number =>
  Array.from({ length: tries }, () => rates.take(key, now)).filter(Boolean).length

t.test('a second of it at once, then as much as time brings', async (t) => {
  const rates = new Rates(10)
  t.equal(taken(rates, 'a', 0, 50), 10)
  t.equal(taken(rates, 'a', 100, 50), 1)
  t.equal(taken(rates, 'a', 600, 50), 5)
  t.equal(taken(rates, 'a', 60_000, 50), 10, 'silence saves up a second, not a minute')
  t.equal(taken(rates, 'b', 0, 50), 10, 'another key has its own')
  t.equal(taken(rates, 'b', -5000, 50), 0, 'a clock that goes back gives nothing')
})

t.test('keys without end take no room without end', async (t) => {
  const rates = new Rates(1)
  for (let i = 0; i < 10_000; i++) rates.take(`k${i}`, 0)
  t.equal(rates.size, 4096)
  t.equal(rates.take('k9999', 0), false, 'those seen of late are known')
})
