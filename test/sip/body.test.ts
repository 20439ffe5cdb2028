import t from 'tap'
import { sdpBodies } from '../../lib/sip/index.js'
import { bytesOf, found, request } from './message.js'

/** The description texts of a message with these header lines and this body, and what is said of them. */
function bodies(headers: string, body: string): { text: string; disposition: string; length: string | undefined }[] {
  const bytes = Buffer.concat([request(headers), Buffer.from(body, 'latin1')])
  return sdpBodies(found(bytes)).map((part) => ({
    text: bytesOf(bytes, part),
    disposition: part.disposition,
    length: part.contentLength && bytesOf(bytes, part.contentLength),
  }))
}

const plain = { disposition: 'session', length: undefined }

t.test('the whole body', async (t) => {
  t.strictSame(bodies('Content-Type: application/sdp', 'v=0\r\n'), [{ ...plain, text: 'v=0\r\n' }])
  t.strictSame(
    bodies('c: Application / SDP ; charset=x', 'v=0'),
    [{ ...plain, text: 'v=0' }],
    'any case, spaces, parameters',
  )
  t.strictSame(bodies('Content-Type: application/sdp\r\nContent-Encoding: Identity', 'v=0'), [
    { ...plain, text: 'v=0' },
  ])
  const early = bodies('Content-Type: application/sdp\r\nContent-Disposition: Early-Session; handling=optional', 'v=0')
  t.equal(early[0]?.disposition, 'early-session')
})

t.test('none', async (t) => {
  const none: readonly [headers: string, body: string][] = [
    ['Content-Type: application/sdp', ''],
    ['Subject: untyped', 'v=0\r\n'],
    ['Content-Type: text/plain', 'v=0\r\n'],
    ['Content-Type: application/sdp-extra', 'v=0\r\n'],
    ['Content-Type: application/sdp\r\ne: gzip', 'v=0\r\n'],
    ['Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64', 'dj0w'],
    ['Content-Type: application/pkcs7-mime; smime-type=enveloped-data', 'v=0\r\n'],
    ['Content-Type: multipart/mixed', '--\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--\r\n'],
    [
      'Content-Type: multipart/signed;boundary=b',
      '--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nx\r\n--b--',
    ],
    ['Content-Type: multipart/mixed;boundary=b', '--b\r\nContent-Type: application/sdp\r\n\r\nv=0 and no end'],
    ['Content-Type: multipart/mixed;boundary=b', '--b\r\nContent-Type: application/sdp\r\nno end of headers\r\n--b--'],
    ['Content-Type: multipart/mixed;boundary=b', '--b--\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--'],
    ['Content-Type: multipart/mixed;boundary=b', '--bb\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--bb--'],
  ]
  for (const [headers, body] of none) t.strictSame(bodies(headers, body), [], JSON.stringify(`${headers} | ${body}`))
})

t.test('parts', async (t) => {
  const body = [
    'preamble, v=0',
    '--=b 1  ',
    'Content-Type: application/sdp',
    '',
    'v=0',
    's=1',
    '',
    '--=b 1',
    'CONTENT-TYPE:application/sdp',
    'Content-Disposition:',
    ' early-session',
    'Content-Length: 7',
    '',
    'v=0',
    's=2',
    '--=b 1',
    '',
    'v=0 but text/plain',
    '--=b 1',
    'Content-Type: application/sdp',
    'Content-Transfer-Encoding: base64',
    '',
    'dj0w',
    '--=b 1--',
    'epilogue',
  ].join('\r\n')
  t.strictSame(bodies('Content-Type: multipart/mixed; boundary="=b 1"', body), [
    { text: 'v=0\r\ns=1\r\n', disposition: 'session', length: undefined },
    { text: 'v=0\r\ns=2', disposition: 'early-session', length: '7' },
  ])
  const lines = body.replaceAll('\r\n', '\n')
  t.equal(bodies('Content-Type: multipart/mixed; boundary="=b 1"', lines)[1]?.text, 'v=0\ns=2', 'line feeds alone')
})

t.test('nested parts', async (t) => {
  const nest = (depth: number): string =>
    depth === 0
      ? 'Content-Type: application/sdp\r\n\r\nv=0'
      : `Content-Type: multipart/alternative;boundary=b${depth}\r\n\r\n--b${depth}\r\n${nest(depth - 1)}\r\n--b${depth}--`
  const at = (depth: number): number => {
    const [head, ...rest] = nest(depth).split('\r\n\r\n')
    return bodies(head!, rest.join('\r\n\r\n')).length
  }
  t.equal(at(1), 1)
  t.equal(at(4), 1)
  t.equal(at(5), 0, 'and no deeper')
})

t.test('number of parts', async (t) => {
  const body = '--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n'.repeat(100)
  t.equal(bodies('Content-Type: multipart/mixed;boundary=b', `${body}--b--`).length, 64, 'bounded')
})
