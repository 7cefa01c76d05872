import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('processing', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Loss',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('topic', models.TextField(db_collation='C')),
                ('partition', models.IntegerField()),
                ('topic_id', models.TextField(blank=True, help_text='of the log that lost them; empty where the broker has none')),
                ('first_offset', models.BigIntegerField()),
                ('last_offset', models.BigIntegerField(help_text='none: how far they reached was never seen', null=True)),
                ('why', models.TextField(choices=[('deleted', 'deleted: retention, or somebody, was faster'), ('truncated', 'truncated: the log ends before what was read of it'), ('made anew', 'made anew: the topic was deleted, or the broker forgot it')])),
                ('found_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('acknowledged_at', models.DateTimeField(null=True)),
                ('acknowledged_by', models.TextField(blank=True, db_default='')),
            ],
            options={
                'verbose_name_plural': 'losses',
                'indexes': [models.Index(models.F('topic'), models.F('partition'), name='losses_place'), models.Index(models.F('found_at'), condition=models.Q(('acknowledged_at', None)), name='losses_open')],
            },
        ),
        migrations.CreateModel(
            name='PartitionPosition',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('topic', models.TextField(db_collation='C')),
                ('partition', models.IntegerField()),
                ('topic_id', models.TextField(blank=True, help_text='of the log that was read; empty where the broker has none')),
                ('generation', models.IntegerField(db_default=1, help_text='raised when the log is another one, or was cut')),
                ('next_offset', models.BigIntegerField(help_text='everything before it is in the inbox, or recorded as lost')),
                ('end_offset', models.BigIntegerField(help_text='the highest end of the log that was seen')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('topic', 'partition'), name='one_position_a_partition')],
            },
        ),
    ]
