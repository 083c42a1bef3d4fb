// @stripe/sync-engine. Environment as for supabase.cjs, and OPENAPI (optional): a file of Stripe's description of its API,
// version 2020-08-27, from which the engine makes its tables. Without it the engine downloads that, once.
import { StripeSync, runMigrations } from '@stripe/sync-engine'
import serving from './serve.cjs'

const { DATABASE_URL, STRIPE_WEBHOOK_SECRET, STRIPE_API_KEY, ASK, OPENAPI } = process.env
const VERSION = '2020-08-27'
const logger = { info() {}, warn: console.error, error: console.error }

await runMigrations({ databaseUrl: DATABASE_URL, stripeApiVersion: VERSION, openApiSpecPath: OPENAPI, logger })
const sync = await StripeSync.create({
  poolConfig: { connectionString: DATABASE_URL, max: 10 },
  stripeAccountId: 'acct_benchmark', // else it asks Stripe whose the key is
  stripeSecretKey: STRIPE_API_KEY,
  stripeWebhookSecret: STRIPE_WEBHOOK_SECRET,
  stripeApiVersion: VERSION,
  logger,
  ...(ASK && { revalidateObjectsViaStripeApi: ['customer', 'subscription'] }),
})
serving.askStandIn(sync.stripe)
serving.serve((body, signature) => sync.webhook.processWebhook(body, signature))
