// Node's own server before an engine: an event is answered 200 once `process` has written its rows, else 500 with the error.
// Environment: PORT, STRIPE_API_BASE (optional: a stand-in for Stripe, http only).
const { createServer } = require('node:http')
const { buffer } = require('node:stream/consumers')

const { PORT, STRIPE_API_BASE } = process.env

exports.serve = function (process) {
  createServer(async (request, response) => {
    try {
      await process(await buffer(request), request.headers['stripe-signature'])
      response.end('{"status": "written"}')
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  }).listen(Number(PORT), '127.0.0.1')
}

// Neither engine has a setting for the address of Stripe's API: the client that it made is told here.
exports.askStandIn = function (stripe) {
  if (!STRIPE_API_BASE) return
  const { hostname, port } = new URL(STRIPE_API_BASE)
  stripe._setApiField('host', hostname)
  stripe._setApiField('port', port)
  stripe._setApiField('protocol', 'http')
}
