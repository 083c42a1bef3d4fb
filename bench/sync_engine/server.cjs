// @supabase/stripe-sync-engine behind Node's own server: it answers 200 once an event's rows are written.
// Environment: DATABASE_URL, STRIPE_WEBHOOK_SECRET, PORT. Loaded with require: imported, its migrations do nothing.
const { createServer } = require('node:http')
const { buffer } = require('node:stream/consumers')
const { StripeSync, runMigrations } = require('@supabase/stripe-sync-engine')

const { DATABASE_URL, STRIPE_WEBHOOK_SECRET, PORT } = process.env
const SCHEMA = 'stripe'

async function serve() {
  await runMigrations({ databaseUrl: DATABASE_URL, schema: SCHEMA })
  const sync = new StripeSync({
    poolConfig: { connectionString: DATABASE_URL, max: 10 },
    schema: SCHEMA,
    stripeSecretKey: 'sk_test_nobody_is_asked',
    stripeWebhookSecret: STRIPE_WEBHOOK_SECRET,
  })
  createServer(async (request, response) => {
    try {
      await sync.processWebhook(await buffer(request), request.headers['stripe-signature'])
      response.end('{"status": "written"}')
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  }).listen(Number(PORT), '127.0.0.1')
}

serve()
