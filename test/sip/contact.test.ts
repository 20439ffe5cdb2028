import t from 'tap'
import { contactValues } from '../../lib/sip/index.js'
import { bytesOf, found, request } from './message.js'

const show = (lines: string): (string | number | undefined)[][] => {
  const bytes = request(lines)
  return contactValues(found(bytes)).map(({ isWildcard, uri, address, expiresSec }) => [
    isWildcard ? '*' : bytesOf(bytes, uri),
    address?.address,
    expiresSec,
  ])
}

t.test('values', async (t) => {
  t.strictSame(show('Subject: none'), [])
  t.strictSame(show('Contact: *'), [['*', undefined, undefined]])
  t.strictSame(show('Contact: <sip:b@10.0.0.1;x=1>;q=0.5;expires=60'), [['sip:b@10.0.0.1;x=1', '10.0.0.1', 60]])
  t.strictSame(
    show('Contact: sip:b@10.0.0.1;expires=0'),
    [['sip:b@10.0.0.1', '10.0.0.1', 0]],
    "the parameter is the header's",
  )
  t.strictSame(show('Contact: <sip:b@h>;Expires="60"'), [['sip:b@h', 'h', undefined]], 'no number')
  t.strictSame(
    show('Contact: "a, b" <sip:b@10.0.0.1> ; expires = 5 , <tel:+1>;expires=9,<sip:c@10.0.0.2>\r\nm: <sip:d@10.0.0.3>'),
    [
      ['sip:b@10.0.0.1', '10.0.0.1', 5],
      ['tel:+1', undefined, 9],
      ['sip:c@10.0.0.2', '10.0.0.2', undefined],
      ['sip:d@10.0.0.3', '10.0.0.3', undefined],
    ],
    'over all lines',
  )
})

t.test('a malformed line', async (t) => {
  t.strictSame(
    show('Contact: <sip:b@10.0.0.1>, "open\r\nContact: <sip:c@10.0.0.2>'),
    [
      ['sip:b@10.0.0.1', undefined, undefined],
      ['sip:c@10.0.0.2', '10.0.0.2', undefined],
    ],
    'gives no addresses, and takes none from the next line',
  )
})
