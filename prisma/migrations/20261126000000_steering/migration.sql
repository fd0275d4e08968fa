-- AlterTable
ALTER TABLE "Run" ADD COLUMN     "forkedFrom" TEXT,
ADD COLUMN     "from" TEXT,
ADD COLUMN     "priority" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "Stage" ADD COLUMN     "fresh" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "startFrom" TEXT;

-- CreateTable
CREATE TABLE "Leader" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "term" INTEGER NOT NULL DEFAULT 0,
    "holder" TEXT NOT NULL,
    "backend" INTEGER NOT NULL,
    "leaseUntil" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Leader_pkey" PRIMARY KEY ("id")
);

-- What the schema language cannot say -----------------------------------------------------------

ALTER TABLE "Leader" ADD CONSTRAINT "Leader_one_row_check" CHECK ("id" = 1 AND "term" >= 0);
